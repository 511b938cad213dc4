//! What was wanted, beside what was measured: a table made from the results, so that nobody's hope gets into it.

use super::table::{Metric, Results, Role};

/// What is wanted of a case of ours. Goals whose case or counterpart was not measured are left out.
#[derive(Debug)]
pub(crate) struct Goal {
    /// The case, as in the results.
    pub(crate) case: &'static str,
    /// Of what.
    pub(crate) metric: &'static Metric,
    /// What.
    pub(crate) want: Want,
}

/// A limit to what was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Want {
    /// At least so many times the best server of that role.
    Times(f64, Role),
    /// At least so many times this server.
    TimesOf(f64, &'static str),
    /// At most so many times this server.
    AtMostTimesOf(f64, &'static str),
    /// At most so much.
    Most(f64),
}

/// The table; empty when no goal has both its values.
pub(crate) fn table(goals: &[Goal], results: &Results) -> String {
    let rows: Vec<String> = goals.iter().filter_map(|goal| row(goal, results)).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("| goal | wanted | measured | × floor | met |\n|---|--:|--:|--:|--:|\n{}\n", rows.join("\n"))
}

fn row(goal: &Goal, results: &Results) -> Option<String> {
    let Goal { case, metric, want } = goal;
    let (_, ours) = results.best(case, Role::Ours, metric)?;
    let of = |server: &str| {
        let other = results.value(case, server, metric)?;
        (other > 0.0).then_some(ours / other)
    };
    let (wanted, measured, met) = match *want {
        Want::Times(least, role) => {
            let (name, other) = results.best(case, role, metric)?;
            if other <= 0.0 {
                return None;
            }
            let ratio = ours / other;
            (format!("at least {least} × {name}"), format!("{ratio:.2} ×"), ratio >= least)
        }
        Want::TimesOf(least, server) => {
            let ratio = of(server)?;
            (format!("at least {least} × {server}"), format!("{ratio:.2} ×"), ratio >= least)
        }
        Want::AtMostTimesOf(most, server) => {
            let ratio = of(server)?;
            (format!("at most {most} × {server}"), format!("{ratio:.2} ×"), ratio <= most)
        }
        Want::Most(most) => (format!("at most {most}"), format!("{ours:.1}"), ours <= most),
    };
    let floor = results.ratio(case, metric, Role::Floor).map_or(String::new(), |r| format!("{r:.2}"));
    let met = if met { "yes" } else { "**no**" };
    Some(format!("| {case}: {} | {wanted} | {measured} | {floor} | {met} |", metric.name))
}

//! Boards that turn to us and are no devices: which of them a rule takes in, and what a device made of one would be.
//!
//! Everything that a board says of itself is unchecked, so nothing of it becomes more than a name made of plain letters, a
//! suggestion in a form, or the subject of a pattern.

use super::ids::Mac;

/// Longest name of a device.
const NAME_MAX: usize = 32;
/// What a device is called unless a rule says otherwise.
pub const NAME_TEMPLATE: &str = "board-{mac6}";

/// What is known of a board. Texts are empty where it has not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Its network card.
    pub mac: Mac,
    /// Where it is.
    pub address: &'a str,
    /// Hardware, in its agent's words.
    pub hardware: &'a str,
    /// Where it would like to belong.
    pub pool: &'a str,
}

/// Boards that are taken in without anybody's click. All that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// How its MAC begins: hex digits in lower case, nothing between them.
    pub mac: Option<String>,
    /// Pattern of the pool that its agent names.
    pub pool: Option<String>,
    /// Pattern of the hardware that its agent names.
    pub hardware: Option<String>,
    /// Template of its name; empty for [`NAME_TEMPLATE`].
    pub name: String,
    /// The environment that it gets.
    pub environment: String,
    /// The hardware type that it gets; empty for none.
    pub hardware_type: String,
    /// The model of the type.
    pub hardware_model: String,
}

/// What a device made of a board would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub fqdn: String,
    /// Its pool; empty for none.
    pub environment: String,
    /// Hardware type; empty for none.
    pub hardware_type: String,
    /// Model of the type.
    pub hardware_model: String,
}

impl Rule {
    /// Whether it takes this board.
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        let mac = seen.mac.join("");
        let like = |pattern: &Option<String>, text| pattern.as_ref().is_none_or(|p| matches(p, text));
        self.mac.as_ref().is_none_or(|start| mac.starts_with(start.as_str()))
            && like(&self.pool, seen.pool)
            && like(&self.hardware, seen.hardware)
    }
}

/// What the first rule that fits makes of a board; `None` leaves it to a person.
pub fn accepted(rules: &[Rule], seen: &Seen<'_>) -> Option<Proposal> {
    let rule = rules.iter().find(|rule| rule.fits(seen))?;
    let template = if rule.name.is_empty() { NAME_TEMPLATE } else { &rule.name };
    Some(Proposal {
        name: name(template, seen),
        fqdn: seen.address.to_owned(),
        environment: rule.environment.clone(),
        hardware_type: rule.hardware_type.clone(),
        hardware_model: rule.hardware_model.clone(),
    })
}

/// What a person is offered: what a rule would make of it, else what is known.
pub fn proposed(rules: &[Rule], seen: &Seen<'_>) -> Proposal {
    accepted(rules, seen).unwrap_or_else(|| Proposal {
        name: name(NAME_TEMPLATE, seen),
        fqdn: seen.address.to_owned(),
        environment: String::new(),
        hardware_type: String::new(),
        hardware_model: String::new(),
    })
}

/// What is wrong with a template of names, in words that complete "it …"; `None` when nothing is. Names must differ from board
/// to board, and only MACs do.
pub fn template_fault(template: &str) -> Option<&'static str> {
    let mut rest = template.to_owned();
    for (word, _) in words(&Seen { mac: Mac([0; 6]), address: "", hardware: "", pool: "" }) {
        rest = rest.replace(word, "");
    }
    if rest.chars().any(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
        return Some("has other signs than letters, digits, -, _, . and {mac}, {mac6}, {pool}, {hardware}");
    }
    if !template.contains("{mac}") && !template.contains("{mac6}") {
        return Some("has neither {mac} nor {mac6}, so all boards would have one name");
    }
    None
}

/// What stands for what in a template.
fn words(seen: &Seen<'_>) -> [(&'static str, String); 4] {
    let mac = seen.mac.join("");
    let mac6 = mac.get(6..).unwrap_or_default().to_owned();
    [("{mac}", mac), ("{mac6}", mac6), ("{pool}", plain(seen.pool)), ("{hardware}", plain(seen.hardware))]
}

/// A name from a template. What a board says is cut before its MAC would be.
fn name(template: &str, seen: &Seen<'_>) -> String {
    let mut words = words(seen);
    loop {
        let name = words.iter().fold(template.to_owned(), |name, (word, value)| name.replace(word, value));
        let over = name.len().saturating_sub(NAME_MAX);
        let longest = words.iter_mut().skip(2).filter(|(word, _)| template.contains(word));
        let Some((_, text)) = longest.max_by_key(|(_, text)| text.len()).filter(|(_, t)| !t.is_empty())
        else {
            return name.chars().take(NAME_MAX).collect();
        };
        if over == 0 {
            return name;
        }
        text.pop();
    }
}

/// Letters and digits of a text in lower case, with a dash for whatever is between them.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars().take(NAME_MAX * 2) {
        if c.is_ascii_alphanumeric() {
            plain.push(c.to_ascii_lowercase());
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.truncate(plain.trim_end_matches('-').len());
    plain
}

/// Whether a text is as the pattern says: `*` stands for any piece, case does not count.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]);

    fn seen<'a>(hardware: &'a str, pool: &'a str) -> Seen<'a> {
        Seen { mac: MAC, address: "10.0.0.7", hardware, pool }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn patterns_match_whole_texts_in_any_case() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("panda", "Panda", true),
            ("panda", "pandas", false),
            ("panda*", "PandaBoard ES", true),
            ("*es", "PandaBoard ES", true),
            ("p*b*s", "PandaBoard ES", true),
            ("p*q*s", "PandaBoard ES", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*", "abc", true),
            ("**", "anything", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_takes_a_board_and_none_takes_a_stranger() {
        let by_mac = Rule { mac: some("0a0b"), environment: "mac".into(), ..Rule::default() };
        let by_pool = Rule { pool: some("stag*"), environment: "pool".into(), ..Rule::default() };
        let both = Rule {
            mac: some("0a0b"),
            hardware: some("tegra*"),
            environment: "both".into(),
            hardware_type: "tegra".into(),
            hardware_model: "250".into(),
            name: "{hardware}-{mac6}".into(),
            ..Rule::default()
        };
        let environment = |rules: &[Rule], seen: &Seen<'_>| accepted(rules, seen).map(|p| p.environment);
        let tegra = seen("Tegra 250", "staging");
        assert_eq!(environment(&[both.clone(), by_pool.clone(), by_mac.clone()], &tegra), some("both"));
        assert_eq!(environment(&[by_pool.clone(), both.clone()], &tegra), some("pool"));
        let silent = seen("", "");
        assert_eq!(environment(&[both.clone(), by_pool.clone(), by_mac.clone()], &silent), some("mac"));
        assert_eq!(environment(&[both.clone(), by_pool], &silent), None);
        let other = Seen { mac: Mac([0x0a, 0x0c, 0, 0, 0, 0]), ..tegra };
        assert_eq!(environment(&[both.clone(), by_mac], &other), None);
        assert_eq!(
            accepted(&[both], &tegra).unwrap(),
            Proposal {
                name: "tegra-250-0d0e0f".into(),
                fqdn: "10.0.0.7".into(),
                environment: "both".into(),
                hardware_type: "tegra".into(),
                hardware_model: "250".into(),
            }
        );
    }

    #[test]
    fn a_person_is_offered_what_is_known() {
        let offered = proposed(&[], &seen("Tegra 250", "staging"));
        assert_eq!((&*offered.name, &*offered.fqdn, &*offered.environment), ("board-0d0e0f", "10.0.0.7", ""));
        let rule = Rule { pool: some("*"), name: "r-{mac}".into(), ..Rule::default() };
        assert_eq!(proposed(&[rule], &seen("", "")).name, "r-0a0b0c0d0e0f");
    }

    #[test]
    fn names_are_plain_short_and_keep_the_mac() {
        let of = |template: &str, hardware: &str| name(template, &seen(hardware, "Pool <1>"));
        assert_eq!(of("{pool}-{mac6}", ""), "pool-1-0d0e0f");
        assert_eq!(of("{hardware}{mac6}", "<script>alert(1)</script>"), "script-alert-1-script0d0e0f");
        let long = of("{hardware}-{pool}-{mac}", &"x".repeat(500));
        assert_eq!((long.len(), long.ends_with("-0a0b0c0d0e0f")), (NAME_MAX, true), "{long}");
        assert_eq!(of("{hardware}-{mac6}", "ÄÖ"), "-0d0e0f");
        assert_eq!(of(&"y".repeat(60), "").len(), NAME_MAX);
    }

    #[test]
    fn a_template_must_tell_boards_apart() {
        for good in ["{mac}", "board-{mac6}", "{pool}.{hardware}_{mac6}"] {
            assert_eq!(template_fault(good), None, "{good}");
        }
        for (bad, want) in
            [("board", "neither"), ("{pool}", "neither"), ("{name}-{mac}", "other"), ("a b{mac}", "other")]
        {
            assert!(template_fault(bad).unwrap().contains(want), "{bad}");
        }
    }
}

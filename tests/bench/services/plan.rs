//! What a run is asked to do, from its arguments.

use std::path::PathBuf;

/// What to measure, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Words: a part of the run, or a piece of a case's name. A case is run when all of them fit it.
    filters: Vec<String>,
    /// Only these servers, by piece of their name.
    servers: Vec<String>,
    /// Only our own programs and the floors: nothing is downloaded.
    pub(crate) ours_only: bool,
    /// Small, in seconds instead of minutes: to see that it runs, not for figures.
    pub(crate) quick: bool,
    /// As under `cargo test`: once, tiny, ours and the floors.
    pub(crate) smoke: bool,
    /// How often each case is run against each server, in turns.
    pub(crate) rounds: usize,
    /// More programs that serve as ours does, such as builds of other versions: name and path.
    pub(crate) programs: Vec<(String, PathBuf)>,
    /// Put the tables into the document.
    pub(crate) write: bool,
}

impl Plan {
    /// From what cargo and the caller said.
    ///
    /// # Errors
    /// A sentence about the argument that is wrong.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let arguments: Vec<String> = arguments.collect();
        // Cargo says so when it benches; under `cargo test` it does not.
        let smoke = !arguments.iter().any(|a| a == "--bench");
        let mut plan = Self {
            filters: Vec::new(),
            servers: Vec::new(),
            ours_only: smoke,
            quick: smoke,
            smoke,
            rounds: if smoke { 1 } else { 3 },
            programs: Vec::new(),
            write: false,
        };
        let mut rest = arguments.into_iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--write" => plan.write = true,
                "--quick" => (plan.quick, plan.rounds) = (true, 1),
                "--ours-only" => plan.ours_only = true,
                "--servers" => plan.servers = value()?.split(',').map(str::to_owned).collect(),
                "--rounds" => {
                    let text = value()?;
                    plan.rounds =
                        text.parse().ok().filter(|n| *n > 0).ok_or(format!("{text} is not a number"))?;
                }
                "--program" => {
                    let text = value()?;
                    let (name, path) = text.split_once('=').ok_or("--program wants NAME=PATH")?;
                    plan.programs.push((name.to_owned(), path.into()));
                }
                // Cargo's test runner filters by name, too, and says more than we need to know.
                word if !smoke && !word.starts_with('-') => plan.filters.push(word.to_owned()),
                _ => {}
            }
        }
        if plan.write && (plan.quick || plan.ours_only || !plan.servers.is_empty()) {
            return Err("--write is for whole runs: not with --quick, --ours-only or --servers".into());
        }
        Ok(plan)
    }

    /// Whether this case of this part is to be run.
    pub(crate) fn wants(&self, part: &str, case: &str) -> bool {
        self.filters.iter().all(|word| part == word || case.contains(word.as_str()))
    }

    /// Whether no case of this part can be left out.
    pub(crate) fn is_whole(&self, part: &str) -> bool {
        self.filters.iter().all(|word| part == word)
    }

    /// Whether this server takes part.
    pub(crate) fn has_server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|s| name.contains(s.as_str()))
    }
}

//! Who calls, and whether they may.

use super::role::{Needs, Role};
use super::token::csrf_of;
use crate::logic::mozpool::OneOf;
use std::fmt;

/// How a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// By nothing: this server is open, or the call needs nobody to be known.
    Nothing,
    /// By a token that came with the call.
    Token,
    /// By the cookie of a session.
    Session,
    /// By what a reverse proxy says.
    Proxy,
    /// By what another server of the pool says.
    Ticket,
}

impl Via {
    /// As it stands in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Token => "token",
            Self::Session => "session",
            Self::Proxy => "proxy",
            Self::Ticket => "ticket",
        }
    }

    /// Whether it cannot be said to another server: what a browser says by itself it says to one host alone. A ticket is in the
    /// address, and goes along.
    pub fn needs_ticket(self) -> bool {
        matches!(self, Self::Session | Self::Proxy)
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Token or user; `None` for nobody that is known.
    pub name: Option<String>,
    /// What they may do; `None` for nothing but what anybody may.
    pub role: Option<Role>,
    /// Only in these; empty for all.
    pub environments: Vec<String>,
    /// How they are known.
    pub via: Via,
    /// What a page of theirs must say with each call that changes something; `None` where no page can be tricked.
    pub csrf: Option<String>,
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Nobody is known, and somebody must be.
    Unknown,
    /// Another role would do.
    Role { name: String, role: Role, needs: Role },
    /// The token is for other environments.
    Environment { name: String, environments: Vec<String>, what: String },
    /// The token is for some environments, and what is to be done is about the whole lab.
    LabWide { name: String, environments: Vec<String> },
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "this server asks who calls: send a token, as `Authorization: Bearer mzp_…`; `mozpool token create NAME --role ROLE` \
                 on the server makes one",
            ),
            Self::Role { name, role, needs } => {
                write!(f, "{name} has the role {role}, and this needs the role {needs}; an admin can make such a token")
            }
            Self::Environment { name, environments, what } => write!(
                f,
                "{what}; {name} may work in {} only",
                environments.join(", ")
            ),
            Self::LabWide { name, environments } => write!(
                f,
                "this is about the whole lab, and {name} may work in {} only; it needs a token without environments",
                environments.join(", ")
            ),
        }
    }
}

impl std::error::Error for Denied {}

impl Caller {
    /// Nobody that is known, who may what anybody may.
    pub fn nobody() -> Self {
        Self { name: None, role: None, environments: Vec::new(), via: Via::Nothing, csrf: None }
    }

    /// Whoever calls a server that asks nobody.
    pub fn open() -> Self {
        Self { role: Some(Role::Admin), ..Self::nobody() }
    }

    /// The holder of a token.
    pub fn known(name: String, role: Role, environments: Vec<String>, via: Via) -> Self {
        let csrf = (via == Via::Proxy).then(|| csrf_of(&name));
        Self { name: Some(name), role: Some(role), environments, via, csrf }
    }

    /// As the audit log names them.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(if self.role.is_some() { "(open)" } else { "(unknown)" })
    }

    fn name(&self) -> String {
        self.shown().to_owned()
    }

    /// Whether they may make a call that needs this, as far as can be told before what it is about is known.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn may(&self, needs: Needs) -> Result<(), Denied> {
        let Some(needed) = needs.role() else { return Ok(()) };
        let Some(role) = self.role else { return Err(Denied::Unknown) };
        if !needs.is_met_by(role) {
            return Err(Denied::Role { name: self.name(), role, needs: needed });
        }
        if needs.is_lab_wide() && !self.environments.is_empty() {
            return Err(Denied::LabWide { name: self.name(), environments: self.environments.clone() });
        }
        Ok(())
    }

    /// Whether what they may do they may do in this environment.
    pub fn is_for(&self, environment: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|e| e == environment)
    }

    /// Whether they may work on a device of this environment.
    ///
    /// # Errors
    /// [`Denied::Environment`].
    pub fn may_work_in(&self, device: &str, environment: &str) -> Result<(), Denied> {
        if self.is_for(environment) {
            return Ok(());
        }
        let what = if environment.is_empty() {
            format!("{device} is in no environment")
        } else {
            format!("{device} is in the environment {environment}")
        };
        Err(self.elsewhere(what))
    }

    /// Whether they may touch a request that wants a board of these environments; `None` is any.
    ///
    /// # Errors
    /// [`Denied::Environment`].
    pub fn may_touch_request(&self, wanted: Option<&OneOf>) -> Result<(), Denied> {
        let fits = self.environments.is_empty()
            || wanted.is_some_and(|wanted| wanted.values().iter().all(|e| self.is_for(e)));
        if fits {
            Ok(())
        } else {
            Err(self.elsewhere("the request is for a board of another environment".into()))
        }
    }

    /// The environments that a new request of theirs is for, when it asks for these.
    ///
    /// # Errors
    /// [`Denied::Environment`], when none of them is theirs.
    pub fn narrow(&self, wanted: Option<OneOf>) -> Result<Option<OneOf>, Denied> {
        if self.environments.is_empty() {
            return Ok(wanted);
        }
        let Some(wanted) = wanted else { return Ok(OneOf::new(self.environments.iter().cloned())) };
        let ours = wanted.values().iter().filter(|e| self.is_for(e)).cloned();
        match OneOf::new(ours) {
            Some(ours) => Ok(Some(ours)),
            None => Err(self.elsewhere(format!("the request is for a board in {wanted}"))),
        }
    }

    fn elsewhere(&self, what: String) -> Denied {
        Denied::Environment { name: self.name(), environments: self.environments.clone(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, environments: &[&str]) -> Caller {
        let environments = environments.iter().map(|e| (*e).to_owned()).collect();
        Caller::known("ci".into(), role, environments, Via::Token)
    }

    #[test]
    fn a_refusal_says_which_role_would_do() {
        let text = |caller: &Caller, needs| caller.may(needs).map_err(|d| d.to_string());
        assert_eq!(text(&Caller::nobody(), Needs::Nothing), Ok(()));
        assert_eq!(text(&Caller::nobody(), Needs::Board), Ok(()));
        assert!(text(&Caller::nobody(), Needs::Viewer).unwrap_err().contains("Authorization: Bearer"));
        assert_eq!(
            text(&caller(Role::Viewer, &[]), Needs::Operator).unwrap_err(),
            "ci has the role viewer, and this needs the role operator; an admin can make such a token"
        );
        assert_eq!(text(&caller(Role::Admin, &[]), Needs::Admin), Ok(()));
        assert!(
            text(&caller(Role::Admin, &["lab"]), Needs::Admin).unwrap_err().contains("without environments")
        );
        assert_eq!(text(&caller(Role::Admin, &["lab"]), Needs::Operator), Ok(()));
        assert_eq!(text(&Caller::open(), Needs::Admin), Ok(()));
    }

    #[test]
    fn who_is_for_some_environments_stays_in_them() {
        let some = caller(Role::Requester, &["lab", "tests"]);
        let of = |values: &[&str]| OneOf::new(values.iter().map(|v| (*v).to_owned()));
        assert!(some.may_work_in("panda", "lab").is_ok());
        assert!(
            some.may_work_in("panda", "")
                .unwrap_err()
                .to_string()
                .starts_with("panda is in no environment; ci")
        );
        assert!(some.may_work_in("panda", "production").is_err());
        assert!(some.may_touch_request(of(&["lab"]).as_ref()).is_ok());
        assert!(some.may_touch_request(of(&["lab", "production"]).as_ref()).is_err());
        assert!(some.may_touch_request(None).is_err());
        assert_eq!(some.narrow(None).unwrap(), of(&["lab", "tests"]));
        assert_eq!(some.narrow(of(&["production", "tests"])).unwrap(), of(&["tests"]));
        assert!(some.narrow(of(&["production"])).is_err());
        let all = caller(Role::Requester, &[]);
        assert_eq!(all.narrow(None).unwrap(), None);
        assert!(all.may_touch_request(None).is_ok() && all.may_work_in("panda", "").is_ok());
    }
}

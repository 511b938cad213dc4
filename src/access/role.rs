//! Roles, and what a call needs of its caller.

use std::fmt;
use std::str::FromStr;

/// What somebody may do. Each of the first four may do all that those before it may; `server` stands beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Asks for boards, keeps them, gives them back.
    Requester,
    /// Works on boards: their state, power, network boot, notes.
    Operator,
    /// Says what there is: devices, images, tokens; reads the audit log.
    Admin,
    /// Another program of the lab that reads, and tells what happens to devices.
    Server,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Requester, Self::Operator, Self::Admin, Self::Server];

    /// As it is stored, written and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Requester => "requester",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Server => "server",
        }
    }

    /// How far up it stands; `server` reads as a viewer does.
    fn rank(self) -> u8 {
        match self {
            Self::Viewer | Self::Server => 0,
            Self::Requester => 1,
            Self::Operator => 2,
            Self::Admin => 3,
        }
    }

    /// Whether it may tell what happens to a device.
    pub fn may_operate(self) -> bool {
        self == Self::Server || self.rank() >= Self::Operator.rank()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No role has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchRole;

impl fmt::Display for NoSuchRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Role::ALL.map(Role::name);
        write!(f, "there is no such role; the roles are {}", names.join(", "))
    }
}

impl std::error::Error for NoSuchRole {}

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(NoSuchRole)
    }
}

/// What a call needs of its caller. Every row of the route table says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: nobody is looked up.
    Nothing,
    /// Nothing here: what is said carries a seal of its own, which its handler looks at.
    Seal,
    /// Nothing here: boards call, who know no token; the handler goes by rules of its own.
    Board,
    /// To be known: reads.
    Viewer,
    /// To ask for boards.
    Requester,
    /// To work on boards.
    Operator,
    /// To work on what belongs to no environment. Only a token for all environments will do.
    LabOperator,
    /// To say what there is. Only a token for all environments will do.
    Admin,
}

impl Needs {
    /// The role that would do, of those that stand in order; `None` where nobody needs to be known.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Nothing | Self::Seal | Self::Board => None,
            Self::Viewer => Some(Role::Viewer),
            Self::Requester => Some(Role::Requester),
            Self::Operator | Self::LabOperator => Some(Role::Operator),
            Self::Admin => Some(Role::Admin),
        }
    }

    /// Whether the role will do.
    pub fn is_met_by(self, role: Role) -> bool {
        self.role().is_none_or(|needed| role.rank() >= needed.rank())
    }

    /// Whether a token that is restricted to environments will not.
    pub fn is_lab_wide(self) -> bool {
        matches!(self, Self::LabOperator | Self::Admin)
    }

    /// As it stands in the API's document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Seal => "seal",
            Self::Board => "board",
            Self::Viewer => "viewer",
            Self::Requester => "requester",
            Self::Operator | Self::LabOperator => "operator",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_before_it_may_and_a_server_reads() {
        use Needs::{Admin, LabOperator, Operator, Requester, Viewer};
        let may = |role| {
            [Viewer, Requester, Operator, LabOperator, Admin]
                .into_iter()
                .filter(|needs| needs.is_met_by(role))
                .count()
        };
        let counts = Role::ALL.map(may);
        assert_eq!(counts, [1, 2, 4, 5, 1], "viewer, requester, operator, admin, server");
        assert_eq!(Role::ALL.map(Role::may_operate), [false, false, true, true, true]);
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(NoSuchRole));
    }
}

//! What goes wrong: which kinds there are, and how each is done and undone.

use crate::network::Cut;
use crate::support::dice::Dice;
use crate::world::{SERVERS, World, name};
use std::fmt;

/// A kind of fault, as the table of figures has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    ServerKilled,
    NodeKilled,
    ServerCutOff,
    NodeCutOff,
}

/// One fault; servers and nodes are counted from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    KillServer(usize),
    KillNode(usize),
    /// From clients, other servers and all nodes.
    CutServer(usize, Cut),
    /// From all nodes alone: clients and other servers still reach it.
    BlockServer(usize),
    CutNode(usize, Cut),
}

impl Kind {
    pub(crate) const ALL: [Self; 4] =
        [Self::ServerKilled, Self::NodeKilled, Self::ServerCutOff, Self::NodeCutOff];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::ServerKilled => "a server killed",
            Self::NodeKilled => "a database node killed",
            Self::ServerCutOff => "a server cut off",
            Self::NodeCutOff => "a database node cut off",
        }
    }

    /// One of this kind.
    pub(crate) fn draw(self, dice: &mut Dice) -> Fault {
        let who = usize::try_from(dice.below(SERVERS as u64)).unwrap();
        let cut = if dice.below(2) == 0 { Cut::Far } else { Cut::Near };
        match self {
            Self::ServerKilled => Fault::KillServer(who),
            Self::NodeKilled => Fault::KillNode(who),
            Self::ServerCutOff if dice.below(3) == 0 => Fault::BlockServer(who),
            Self::ServerCutOff => Fault::CutServer(who, cut),
            Self::NodeCutOff => Fault::CutNode(who, cut),
        }
    }
}

impl Fault {
    /// The server that it hits itself.
    pub(crate) fn server(self) -> Option<usize> {
        match self {
            Self::KillServer(n) | Self::CutServer(n, _) | Self::BlockServer(n) => Some(n),
            Self::KillNode(_) | Self::CutNode(..) => None,
        }
    }

    pub(crate) fn begin(self, world: &mut World) {
        match self {
            Self::KillServer(n) => world.kill_server(n),
            Self::KillNode(n) => world.kill_base(n),
            Self::CutServer(n, cut) => world.server(n).cut_off(cut),
            Self::BlockServer(n) => world.server(n).block(&world.base_addresses()),
            Self::CutNode(n, cut) => world.base(n).cut_off(cut),
        }
    }

    pub(crate) fn heal(self, world: &mut World) {
        match self {
            Self::KillServer(n) => world.start_server(n),
            Self::KillNode(n) => world.start_base(n),
            Self::CutServer(n, cut) => world.server(n).reconnect(cut),
            Self::BlockServer(n) => world.server(n).unblock(&world.base_addresses()),
            Self::CutNode(n, cut) => world.base(n).reconnect(cut),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = |cut| if cut == Cut::Far { "silently" } else { "at its own end" };
        match *self {
            Self::KillServer(n) => write!(f, "{} is killed", name(n)),
            Self::KillNode(n) => write!(f, "node {} is killed", n + 1),
            Self::CutServer(n, cut) => write!(f, "{} is cut off {}", name(n), how(cut)),
            Self::BlockServer(n) => write!(f, "{} is cut off from the nodes alone", name(n)),
            Self::CutNode(n, cut) => write!(f, "node {} is cut off {}", n + 1, how(cut)),
        }
    }
}

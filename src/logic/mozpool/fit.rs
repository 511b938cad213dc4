//! Whether a board is one that a request may have now, and if not, why it is passed over.
//!
//! This is the one place that says so: the search goes by it, and what the request's log says of a search does, too.

use super::Wanted;
use crate::logic::ids::{DeviceName, HardwareId, RequestId};
use std::collections::HashSet;
use std::sync::Arc;

/// What boards of one kind have in common, as far as a request can ask for it. A lab of thousands has tens of kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Its pool.
    pub environment: String,
    /// Decides its PXE configs.
    pub hardware: Option<HardwareId>,
    /// E.g. `panda`; empty when not known.
    pub hardware_type: String,
    /// E.g. `ES Rev B2`; empty when not known.
    pub hardware_model: String,
    /// E.g. `armv7`; empty when not known.
    pub processor: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// What a search knows of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Its name.
    pub name: DeviceName,
    /// What it is.
    pub kind: Arc<Kind>,
    /// Its state's name, as stored.
    pub state: Arc<str>,
    /// The request that holds it.
    pub claimed_by: Option<RequestId>,
}

/// What of a board's kind is not as wanted: the first that is found, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unfit {
    /// Another pool.
    Environment,
    /// Another hardware type.
    HardwareType,
    /// Another hardware model.
    HardwareModel,
    /// Another processor.
    Processor,
    /// It lacks a tag.
    Tags,
    /// The image cannot be put on its hardware: it would refuse.
    NoPxeConfig,
}

/// Why a board that is of the right kind cannot be had now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Busy {
    /// A request has it.
    Claimed(RequestId),
    /// It is at something, or has failed; its state.
    NotReady(Arc<str>),
}

/// Why a board is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedOver {
    /// It will never do as it is.
    Unfit(Unfit),
    /// It would do, but not now.
    Busy(Busy),
}

impl Unfit {
    /// What is said of one board, and of several.
    pub(super) fn words(self, wanted: &Wanted) -> (String, String) {
        let both = |one: &str, many: &str| (one.to_owned(), many.to_owned());
        match self {
            Self::Environment => both("is of another environment", "are of another environment"),
            Self::HardwareType => both("is of another hardware type", "are of another hardware type"),
            Self::HardwareModel => both("is of another hardware model", "are of another hardware model"),
            Self::Processor => both("has another processor", "have another processor"),
            Self::Tags => both("lacks a tag", "lack a tag"),
            Self::NoPxeConfig => {
                let what = format!("no PXE config for image {}", wanted.install.image);
                (format!("has {what}"), format!("have {what}"))
            }
        }
    }
}

impl PassedOver {
    /// What is said of one board, to complete a sentence that begins with its name.
    pub fn of_one(&self, wanted: &Wanted) -> String {
        match self {
            Self::Unfit(unfit) => unfit.words(wanted).0,
            Self::Busy(Busy::Claimed(request)) => format!("is claimed by request {request}"),
            Self::Busy(Busy::NotReady(state)) => format!("is in state {state}"),
        }
    }
}

/// Whether boards of `kind` are what is wanted. `hardware`: what the wanted image has a PXE config for.
pub fn kind_fits(kind: &Kind, wanted: &Wanted, hardware: &HashSet<HardwareId>) -> Result<(), Unfit> {
    // Taken apart so that a new wish cannot be forgotten here.
    let Wanted { device: _, environment, install: _, hardware_type, hardware_model, processor, tags } =
        wanted;
    let parts = [
        (environment, &kind.environment, Unfit::Environment),
        (hardware_type, &kind.hardware_type, Unfit::HardwareType),
        (hardware_model, &kind.hardware_model, Unfit::HardwareModel),
        (processor, &kind.processor, Unfit::Processor),
    ];
    for (wish, has, unfit) in parts {
        if wish.as_ref().is_some_and(|w| !w.accepts(has)) {
            return Err(unfit);
        }
    }
    if !tags.iter().all(|wish| kind.tags.iter().any(|has| wish.accepts(has))) {
        return Err(Unfit::Tags);
    }
    match kind.hardware.is_some_and(|id| hardware.contains(&id)) {
        true => Ok(()),
        false => Err(Unfit::NoPxeConfig),
    }
}

/// Whether a board can be had now, whatever it is.
pub(super) fn is_free(state: &Arc<str>, claimed_by: Option<RequestId>) -> Result<(), Busy> {
    match claimed_by {
        Some(request) => Err(Busy::Claimed(request)),
        None if **state == *"ready" => Ok(()),
        None => Err(Busy::NotReady(state.clone())),
    }
}

/// Whether `wanted` may have this board now. A wish for a board by its name is not looked at: who asks for one looks at that.
pub fn judge(board: &Board, wanted: &Wanted, hardware: &HashSet<HardwareId>) -> Result<(), PassedOver> {
    kind_fits(&board.kind, wanted, hardware).map_err(PassedOver::Unfit)?;
    is_free(&board.state, board.claimed_by).map_err(PassedOver::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::lifeguard::Install;
    use crate::logic::mozpool::OneOf;

    fn board() -> Board {
        let kind = Kind {
            environment: "lab".into(),
            hardware: Some(HardwareId(1)),
            hardware_type: "panda".into(),
            hardware_model: "ES".into(),
            processor: "armv7".into(),
            tags: vec!["camera".into(), "usb".into()],
        };
        Board { name: "b1".into(), kind: kind.into(), state: "ready".into(), claimed_by: None }
    }

    fn any() -> Wanted {
        Wanted {
            device: None,
            environment: None,
            install: Install { image: "debian".into(), boot_config: "{}".into() },
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        }
    }

    fn of(values: &[&str]) -> Option<OneOf> {
        OneOf::new(values.iter().map(|v| (*v).to_owned()))
    }

    fn says(board: &Board, wanted: &Wanted) -> Result<(), PassedOver> {
        judge(board, wanted, &HashSet::from([HardwareId(1)]))
    }

    #[test]
    fn every_wish_takes_one_of_its_values_and_all_wishes_count() {
        let board = board();
        assert_eq!(says(&board, &any()), Ok(()));
        let good = Wanted {
            environment: of(&["b2g", "lab"]),
            hardware_type: of(&["panda"]),
            hardware_model: of(&["ES", "EA"]),
            processor: of(&["armv6", "armv7"]),
            tags: vec!["usb".into(), of(&["wifi", "camera"]).unwrap()],
            ..any()
        };
        assert_eq!(says(&board, &good), Ok(()));
        let no = of(&["x", "y"]);
        for (wanted, unfit) in [
            (Wanted { environment: no.clone(), ..good.clone() }, Unfit::Environment),
            (Wanted { hardware_type: no.clone(), ..good.clone() }, Unfit::HardwareType),
            (Wanted { hardware_model: no.clone(), ..good.clone() }, Unfit::HardwareModel),
            (Wanted { processor: no.clone(), ..good.clone() }, Unfit::Processor),
            (Wanted { tags: vec!["usb".into(), no.unwrap()], ..good.clone() }, Unfit::Tags),
        ] {
            assert_eq!(says(&board, &wanted), Err(PassedOver::Unfit(unfit)));
        }
        assert_eq!(
            judge(&board, &good, &HashSet::from([HardwareId(2)])),
            Err(PassedOver::Unfit(Unfit::NoPxeConfig))
        );
    }

    #[test]
    fn what_it_is_counts_before_what_it_does() {
        let mut board = board();
        board.state = "pxe_booting".into();
        let busy = |why| Err(PassedOver::Busy(why));
        assert_eq!(says(&board, &any()), busy(Busy::NotReady("pxe_booting".into())));
        board.claimed_by = Some(RequestId(7));
        assert_eq!(says(&board, &any()), busy(Busy::Claimed(RequestId(7))));
        board.state = "ready".into();
        assert_eq!(says(&board, &any()), busy(Busy::Claimed(RequestId(7))), "ready for somebody else");
        let other = Wanted { processor: of(&["x86"]), ..any() };
        assert_eq!(says(&board, &other), Err(PassedOver::Unfit(Unfit::Processor)));
    }
}

//! The inventory: how it stands, and what a run has changed.

use super::admin::DIFFERENCES;
use crate::api::openapi::shape::{Field, Kind, Shape, needed};
use crate::config::InventorySource;

const COUNT: Kind = Kind::Whole(0, None);

/// A run that is over.
pub const INVENTORY_RUN: Shape = Shape {
    name: "InventoryRun",
    doc: "A run of the inventory.",
    bases: &[],
    fields: &[
        needed("at", Kind::Time, "When it began."),
        needed("by", Kind::Words(|| vec!["timer", "call"]), "Who began it."),
        needed("error", Kind::OrNull(&Kind::Text), "Why it has changed nothing; `null` when it went well."),
        needed("systems", COUNT, "Systems that the inventory told of."),
        needed("skipped", COUNT, "Those that are none of ours."),
        needed("changes", COUNT, "Differences that were written."),
        needed("left", COUNT, "Devices that wait for the next run."),
    ],
    example: "",
};

/// `GET inventory`
pub const INVENTORY: Shape = Shape {
    name: "Inventory",
    doc: "The inventory that the devices come from.",
    bases: &[],
    fields: &[
        needed(
            "source",
            Kind::OpenWords(|| InventorySource::ALL.iter().map(|s| s.name()).collect()),
            "What it is, on this server.",
        ),
        needed("interval_s", COUNT, "Seconds between runs by itself; 0 for none."),
        needed("holder", Kind::OrNull(&Kind::Text), "The server of the pool that runs by itself now."),
        needed("holder_until", Kind::OrNull(&Kind::Time), "How long it does so without another run."),
        needed("next", Kind::OrNull(&Kind::Time), "When this server looks next whether it is its turn."),
        needed("last", Kind::OrNull(&Kind::Of(&INVENTORY_RUN)), "The last run on this server."),
    ],
    example: r#"{"source": "none", "interval_s": 0, "holder": null, "holder_until": null, "next": null, "last": null}"#,
};

/// One of `skipped`.
pub const INVENTORY_SKIPPED: Shape = Shape {
    name: "InventorySkipped",
    doc: "A system that is none of ours.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name, as far as it has one."),
        needed("place", Kind::Text, "Where it stands."),
        needed("why", Kind::Text, "Why it is skipped."),
    ],
    example: "",
};

const SYNCED_FIELDS: &[Field] = &[
    needed("systems", COUNT, "Systems that the inventory told of."),
    needed("left", Kind::List(&Kind::Text), "Devices that wait for the next run, and why."),
    needed("skipped", Kind::List(&Kind::Of(&INVENTORY_SKIPPED)), "Systems that are none of ours."),
    needed(
        "brake",
        Kind::OrNull(&Kind::Text),
        "In a dry run: more would change than passes without `ship_it`.",
    ),
];

/// `POST inventory/sync`
pub const INVENTORY_SYNCED: Shape = Shape {
    name: "InventorySynced",
    doc: "What has changed, or would, and what has not.",
    bases: &[&DIFFERENCES],
    fields: SYNCED_FIELDS,
    example: r#"{"changes": [], "dry_run": true, "summary": {}, "systems": 1, "left": [], "skipped": [], "brake": null}"#,
};

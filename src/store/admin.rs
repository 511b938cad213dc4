//! What there is: images, hardware types and their matrix, PXE configs, relay boards, imaging servers.
//!
//! Read by all; written here only where a daemon makes itself known. Everything else is written by `apply`.

use super::cells::{Cells, readable};
use super::changes::News;
use super::conn::{Conn, Doing, Row, Then, args};
use super::rows::{ImageRow, PxeConfigRow, RelayBoardRow, ServerRow};
use super::{Bell, ChangeKind, ChangeWhat, Result, changes, sql};
use crate::logic::catalog::{Catalog, HardwareFacts, ImageFacts, TimeLimits};
use crate::logic::ids::{HardwareId, ImageName, PxeConfigName};
use crate::logic::time::Timestamp;

const READ: &str = "read images, hardware types and PXE configs";
const REGISTER: &str = "make this imaging server known";

/// A hardware type with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HardwareRow {
    pub(super) id: HardwareId,
    pub(super) kind: String,
    pub(super) model: String,
    pub(super) ping_steady_s: u32,
    pub(super) limits: TimeLimits,
}

/// One cell of the matrix.
pub(super) type MatrixRow = (ImageName, HardwareId, PxeConfigName);

fn image_row(row: Row) -> Result<ImageRow> {
    let mut c = Cells::new("images", row);
    Ok(ImageRow {
        name: c.text("name")?,
        id: c.int("id")?,
        boot_config_keys: c.texts("boot_config_keys")?,
        boot_config_defaults: c.text("boot_config_defaults")?,
        can_reuse: c.flag("can_reuse")?,
        hidden: c.flag("hidden")?,
        check: c.parsed("health_check", "a health check")?,
        second_stage: c.text("second_stage")?,
        limits: c.limits("limits")?,
    })
}

fn pxe_config_row(row: Row) -> Result<PxeConfigRow> {
    let mut c = Cells::new("pxe_configs", row);
    Ok(PxeConfigRow {
        name: c.text("name")?,
        description: c.text("description")?,
        contents: c.text("contents")?,
        active: c.flag("active")?,
    })
}

fn relay_board_row(row: Row) -> Result<RelayBoardRow> {
    let mut c = Cells::new("relay_boards", row);
    Ok(RelayBoardRow {
        name: c.text("name")?,
        fqdn: c.text("fqdn")?,
        imaging_server: c.text("imaging_server")?,
    })
}

pub(super) fn hardware<C: Conn>(c: &mut C) -> Result<Vec<HardwareRow>> {
    let rows = c.query(sql::HARDWARE_TYPES, &[]).doing(READ)?;
    Ok(readable(rows, |row| {
        let mut c = Cells::new("hardware_types", row);
        Ok(HardwareRow {
            id: HardwareId(c.int("id")?),
            kind: c.text("type")?,
            model: c.text("model")?,
            ping_steady_s: c.small("ping_steady_s")?,
            limits: c.limits("limits")?,
        })
    }))
}

pub(super) fn matrix<C: Conn>(c: &mut C) -> Result<Vec<MatrixRow>> {
    let rows = c.query(sql::MATRIX, &[]).doing(READ)?;
    Ok(readable(rows, |row| {
        let mut c = Cells::new("image_pxe_configs", row);
        let image = c.text("image")?.into();
        Ok((image, HardwareId(c.int("hardware_id")?), c.text("pxe_config")?.into()))
    }))
}

pub(super) fn catalog<C: Conn>(c: &mut C) -> Result<Catalog> {
    let images = images(c)?.into_iter().map(|i| {
        let facts = ImageFacts { check: i.check, can_reuse: i.can_reuse, limits: i.limits };
        (ImageName::from(i.name), facts)
    });
    let hardware = hardware(c)?
        .into_iter()
        .map(|h| (h.id, HardwareFacts { limits: h.limits, ping_steady_s: h.ping_steady_s }));
    Ok(Catalog {
        images: images.collect(),
        hardware: hardware.collect(),
        matrix: matrix(c)?.into_iter().map(|(image, hardware, pxe)| ((image, hardware), pxe)).collect(),
    })
}

pub(super) fn images<C: Conn>(c: &mut C) -> Result<Vec<ImageRow>> {
    Ok(readable(c.query(sql::IMAGES, &[]).doing(READ)?, image_row))
}

pub(super) fn image<C: Conn>(c: &mut C, name: &str) -> Result<Option<ImageRow>> {
    c.query_one(sql::IMAGE, args![name]).doing(READ)?.map(image_row).transpose()
}

pub(super) fn pxe_configs<C: Conn>(c: &mut C) -> Result<Vec<PxeConfigRow>> {
    Ok(readable(c.query(sql::PXE_CONFIGS, &[]).doing(READ)?, pxe_config_row))
}

pub(super) fn pxe_config<C: Conn>(c: &mut C, name: &str) -> Result<Option<PxeConfigRow>> {
    c.query_one(sql::PXE_CONFIG, args![name]).doing(READ)?.map(pxe_config_row).transpose()
}

pub(super) fn relay_boards<C: Conn>(c: &mut C) -> Result<Vec<RelayBoardRow>> {
    Ok(readable(c.query(sql::RELAY_BOARDS, &[]).doing(READ)?, relay_board_row))
}

pub(super) fn relay_board<C: Conn>(c: &mut C, name: &str) -> Result<Option<RelayBoardRow>> {
    c.query_one(sql::RELAY_BOARD, args![name]).doing(READ)?.map(relay_board_row).transpose()
}

pub(super) fn servers<C: Conn>(c: &mut C) -> Result<Vec<ServerRow>> {
    Ok(readable(c.query(sql::SERVERS, &[]).doing(READ)?, |row| {
        let mut c = Cells::new("imaging_servers", row);
        Ok(ServerRow { name: c.text("name")?, url: c.text("url")? })
    }))
}

pub(super) fn register_server<C: Conn>(
    c: &mut C,
    bell: &Bell,
    server: &ServerRow,
    at: Timestamp,
) -> Result<()> {
    changes::telling(c, bell, REGISTER, |c, news| {
        // A server that joins a pool says so instead; one that is alone is not watched.
        c.exec(sql::BEAT_FORGET, args![&server.name]).doing(REGISTER)?;
        known(c, news, server, at)?;
        Ok(((), Then::Commit))
    })
}

/// Writes a server's row, within a transaction.
pub(super) fn known<C: Conn>(c: &mut C, news: &mut News, server: &ServerRow, at: Timestamp) -> Result<()> {
    let ServerRow { name, url } = server;
    let old = servers(c)?.into_iter().find(|s| s.name == *name);
    let what = match old {
        Some(old) if old == *server => return Ok(()),
        Some(_) => ChangeWhat::Changed,
        None => ChangeWhat::Created,
    };
    // Its row may be there and not be readable.
    if c.exec(sql::SERVER_UPDATE, args![url, name]).doing(REGISTER)? == 0 {
        c.exec(sql::SERVER_INSERT, args![url, name]).doing(REGISTER)?;
    }
    news.thing(at, ChangeKind::Server, name, what);
    Ok(())
}

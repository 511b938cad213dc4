//! A lab file, or a folder of them: TOML, JSON or CSV, so that the lab can live in git.
//!
//! Rows are a lab file's `[[device]]` rows. A folder's files are read in the order of their names, those in its folders too; hidden
//! ones, such as git's, and those with other endings are none.

use super::{SYSTEMS_MAX, Source, SourceError};
use crate::config::Inventory;
use crate::lab::{DeviceEntry, Format, Kind, Lab, Source as LabSource};
use crate::logic::inventory::{Extras, System};
use std::path::{Path, PathBuf};

/// Files in a folder of folders.
const FILES_MAX: usize = 10_000;
/// Folders in folders; a link to a folder above ends here.
const DEPTH_MAX: usize = 8;
/// The longest file.
const BYTES_MAX: u64 = 64 << 20;

pub(super) struct Files {
    path: PathBuf,
}

impl Files {
    pub(super) fn open(config: &Inventory) -> Result<Self, SourceError> {
        match &config.path {
            Some(path) => Ok(Self { path: path.clone() }),
            None => Err(SourceError::Unset { setting: "inventory.path", source: "files" }),
        }
    }
}

impl Source for Files {
    fn fetch(&self) -> Result<Vec<System>, SourceError> {
        let mut files = Vec::new();
        if is_folder(&self.path)? {
            list(&self.path, 0, &mut files)?;
            if files.is_empty() {
                return Err(SourceError::NoFiles { path: self.path.display().to_string() });
            }
        } else {
            files.push(self.path.clone());
        }
        let mut systems = Vec::new();
        for file in files {
            let shown = file.strip_prefix(&self.path).ok().filter(|p| *p != Path::new("")).unwrap_or(&file);
            systems.extend(read(&file, &shown.display().to_string())?);
            if systems.len() > SYSTEMS_MAX {
                let url = self.path.display().to_string();
                return Err(SourceError::TooMuch { url, what: format!("more than {SYSTEMS_MAX} devices") });
            }
        }
        Ok(systems)
    }
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> SourceError {
    SourceError::File { path: path.display().to_string(), why: why.to_string() }
}

fn is_folder(path: &Path) -> Result<bool, SourceError> {
    std::fs::metadata(path).map(|m| m.is_dir()).map_err(|e| failed(path, &e))
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let entries = std::fs::read_dir(folder).map_err(|e| failed(folder, &e))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| failed(folder, &e))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        if is_folder(&path)? {
            if depth == DEPTH_MAX {
                return Err(failed(&path, &"it lies too deep"));
            }
            list(&path, depth + 1, files)?;
        } else if Format::of_file(&path).is_some() {
            if files.len() == FILES_MAX {
                return Err(failed(folder, &format!("it has more than {FILES_MAX} files")));
            }
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path, origin: &str) -> Result<Vec<System>, SourceError> {
    let bytes = std::fs::metadata(path).map_err(|e| failed(path, &e))?.len();
    if bytes > BYTES_MAX {
        return Err(failed(path, &format!("it has {bytes} bytes, {BYTES_MAX} at most")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed(path, &e))?;
    let format = Format::of_file(path).unwrap_or(Format::Toml);
    let source = LabSource { format, origin, default_server: "", files: None };
    let lab = Lab::read(&text, source).map_err(SourceError::Lab)?;
    let others = [
        (Kind::HardwareType, lab.hardware_types.first().map(|r| r.line)),
        (Kind::PxeConfig, lab.pxe_configs.first().map(|r| r.line)),
        (Kind::Image, lab.images.first().map(|r| r.line)),
        (Kind::RelayBoard, lab.relay_boards.first().map(|r| r.line)),
    ];
    if let Some((kind, Some(line))) = others.into_iter().find(|(_, line)| line.is_some()) {
        return Err(SourceError::OtherRows { path: origin.to_owned(), line, kind: kind.name() });
    }
    Ok(lab.devices.into_iter().map(|entry| system(origin, entry)).collect())
}

fn system(origin: &str, entry: DeviceEntry) -> System {
    let (hardware_type, hardware_model) = entry.hardware.flatten().unwrap_or_default();
    System {
        place: if entry.line > 0 { format!("{origin}:{}", entry.line) } else { origin.to_owned() },
        inventory_id: entry.inventory_id.filter(|id| *id > 0).map(|id| id.to_string()).unwrap_or_default(),
        fqdn: entry.fqdn.unwrap_or_default(),
        name: entry.name.to_string(),
        status: String::new(),
        mac: entry.mac.flatten().map(|mac| mac.to_string()).unwrap_or_default(),
        imaging_server: entry.imaging_server.unwrap_or_default(),
        relay_info: entry.relay_info.unwrap_or_default(),
        hardware_type,
        hardware_model,
        extras: Extras {
            environment: entry.environment,
            processor: entry.processor,
            tags: entry.tags,
            comments: entry.comments,
        },
    }
}

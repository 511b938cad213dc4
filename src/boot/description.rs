//! What a board is to boot, whatever its boot loader reads: a kernel with what belongs to it, or the board's own disk.
//!
//! A PXE config may say it in a few lines of TOML below `[boot]`, whose values are templates. They are parsed first and filled
//! in afterwards, so that a value which somebody else gave can never become a line of its own. It knows no boot loader: a file
//! per format makes the text (`pxelinux`).

use std::fmt;
use toml::de::{DeTable, DeValue};

/// What a board is to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// Its own disk.
    Local,
    /// A kernel from the network.
    Network(Kernel),
}

/// A kernel from the network with what belongs to it. File names are TFTP paths, or URLs where the boot loader takes such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The kernel's file.
    pub kernel: String,
    /// Its initial RAM file system.
    pub initrd: Option<String>,
    /// What tells the kernel of the board's devices, where the boot loader does not have it.
    pub device_tree: Option<DeviceTree>,
    /// The kernel's command line: words with single blanks between them.
    pub args: String,
}

/// Where the boot loader finds the board's device tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceTree {
    /// This file.
    File(String),
    /// A folder in which it knows the file's name by itself, as U-Boot does by `$fdtfile`.
    Folder(String),
}

/// What is wrong with a description, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDescription {
    /// Line within the PXE config, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for BadDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadDescription {}

/// Keys below `[boot]`, with what they are.
pub const KEYS: [(&str, &str); 6] = [
    ("kernel", "the kernel's file"),
    ("initrd", "its initial RAM file system"),
    ("fdt", "the board's device tree"),
    ("fdt_dir", "a folder with device trees, of which U-Boot knows the board's"),
    ("args", "the kernel's command line"),
    ("local", "true: the board's own disk, and nothing else"),
];

/// A description whose values are still templates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    local: bool,
    /// Line of `[boot]`.
    line: usize,
    values: Vec<DraftValue>,
}

/// One of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftValue {
    /// One of [`KEYS`].
    pub key: &'static str,
    /// The text's first line within the PXE config, from 1.
    pub line: usize,
    /// The template.
    pub template: String,
}

/// Whether a PXE config says it so: its first line that is neither empty nor a comment is `[boot]`. Anything else is a text
/// for the boot loader, whose configs never begin with a bracket.
pub fn is_one(contents: &str) -> bool {
    let mut lines = contents.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.next().is_some_and(|line| line.split('#').next().is_some_and(|l| l.trim_end() == "[boot]"))
}

impl Draft {
    /// Reads a PXE config that [`is_one`].
    ///
    /// # Errors
    /// The first thing that is wrong: TOML's syntax, an unknown key, a value of the wrong kind, keys that exclude each other.
    pub fn parse(contents: &str) -> Result<Self, BadDescription> {
        let line_of = |at: usize| contents.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        let bad = |at: usize, why: String| BadDescription { line: line_of(at), why };
        let root = DeTable::parse(contents).map_err(|e| {
            bad(e.span().unwrap_or_default().start, format!("not TOML: {}", e.message().trim()))
        })?;
        let mut draft = Self::default();
        for (section, value) in root.into_inner() {
            let at = section.span().start;
            let keys = match value.into_inner() {
                DeValue::Table(keys) if section.get_ref() == "boot" => keys,
                _ => {
                    let why = format!("{} does not belong here; there is [boot] alone", section.get_ref());
                    return Err(bad(at, why));
                }
            };
            draft.line = line_of(at);
            for (name, value) in keys {
                let at = name.span().start;
                let Some((key, _)) = KEYS.iter().find(|(k, _)| *k == name.get_ref()) else {
                    let known: Vec<_> = KEYS.iter().map(|(k, _)| *k).collect();
                    let why = format!("[boot] has no key {}; there are {}", name.get_ref(), known.join(", "));
                    return Err(bad(at, why));
                };
                let start = value.span().start;
                // A line's end right behind the opening quotes is no part of the text (TOML 1.0, "String").
                let quotes = contents.get(start..).unwrap_or_default();
                let opens =
                    ["'''\n", "\"\"\"\n", "'''\r\n", "\"\"\"\r\n"].iter().any(|q| quotes.starts_with(q));
                match (*key, value.into_inner()) {
                    ("local", DeValue::Boolean(true)) => draft.local = true,
                    ("local", _) => return Err(bad(at, "local is true, or left out".into())),
                    (key, DeValue::String(text)) => {
                        let line = line_of(start) + usize::from(opens);
                        draft.values.push(DraftValue { key, line, template: text.into_owned() });
                    }
                    (key, _) => return Err(bad(at, format!("{key} is a text in quotes"))),
                }
            }
        }
        // In the order of lines, as people read.
        draft.values.sort_by_key(|v| v.line);
        draft.check().map_err(|(line, why)| BadDescription { line, why })?;
        Ok(draft)
    }

    fn check(&self) -> Result<(), (usize, String)> {
        let find = |key| self.values.iter().find(|v| v.key == key);
        match (self.local, self.values.first()) {
            (true, Some(value)) => {
                Err((value.line, format!("{} is of no use beside local = true", value.key)))
            }
            (true, None) => Ok(()),
            (false, _) if find("kernel").is_none() => {
                Err((self.line, "[boot] has neither kernel nor local = true".into()))
            }
            (false, _) => match (find("fdt"), find("fdt_dir")) {
                (Some(_), Some(dir)) => Err((dir.line, "fdt or fdt_dir, not both".into())),
                _ => Ok(()),
            },
        }
    }

    /// The templates in it.
    pub fn values(&self) -> &[DraftValue] {
        &self.values
    }

    /// The description, with `filled` in the place of each of [`Self::values`]. What turns out empty is left out, but for
    /// the kernel.
    ///
    /// # Errors
    /// A value that no boot loader's config can hold.
    pub fn complete(&self, filled: &[String]) -> Result<Description, BadDescription> {
        if self.local {
            return Ok(Description::Local);
        }
        let mut all = Kernel { kernel: String::new(), initrd: None, device_tree: None, args: String::new() };
        for (value, text) in self.values.iter().zip(filled) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let bad = |why: String| BadDescription { line: value.line, why: format!("{} {why}", value.key) };
            if words.iter().any(|w| w.chars().any(char::is_control)) {
                return Err(bad(format!("would be {text:?}, with characters that are no text")));
            }
            if value.key == "args" {
                all.args = words.join(" ");
                continue;
            }
            // Blanks end a name in the configs of boot loaders.
            let file = match words[..] {
                [] if value.key == "kernel" => return Err(bad("would be empty".into())),
                [] => continue,
                [file] => file.to_owned(),
                _ => return Err(bad(format!("would be `{text}`: one file, without blanks"))),
            };
            match value.key {
                "initrd" => all.initrd = Some(file),
                "fdt" => all.device_tree = Some(DeviceTree::File(file)),
                "fdt_dir" => all.device_tree = Some(DeviceTree::Folder(file)),
                _ => all.kernel = file,
            }
        }
        Ok(Description::Network(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_they_are(contents: &str) -> Result<Description, BadDescription> {
        let draft = Draft::parse(contents)?;
        let filled: Vec<String> = draft.values().iter().map(|v| v.template.clone()).collect();
        draft.complete(&filled)
    }

    #[test]
    fn a_description_begins_with_boot_and_nothing_else_does() {
        for yes in ["[boot]\nlocal = true", "# why\n\n [boot] # so\n", "[boot]"] {
            assert!(is_one(yes), "{yes}");
        }
        for no in
            ["", "default image\n", "{#- [boot] -#}\ndefault x", "#!ipxe\n", "[bootx]", "DEFAULT [boot]"]
        {
            assert!(!is_one(no), "{no}");
        }
    }

    #[test]
    fn keys_become_what_is_booted() {
        let all = "[boot]\nkernel = 'k'\ninitrd = 'i'\nfdt = ' d '\nargs = '''\na=1\n  b=\"2\"  c\n'''\n";
        let kernel = Kernel {
            kernel: "k".into(),
            initrd: Some("i".into()),
            device_tree: Some(DeviceTree::File("d".into())),
            args: "a=1 b=\"2\" c".into(),
        };
        assert_eq!(as_they_are(all), Ok(Description::Network(kernel.clone())));
        let few = "[boot]\nkernel = 'k'\ninitrd = ''\nfdt_dir = 'dtb'\nargs = ' '\n";
        let device_tree = Some(DeviceTree::Folder("dtb".into()));
        let kernel = Kernel { initrd: None, device_tree, args: String::new(), ..kernel };
        assert_eq!(as_they_are(few), Ok(Description::Network(kernel)));
        assert_eq!(as_they_are("# own disk\n[boot]\nlocal = true\n"), Ok(Description::Local));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (contents, line, why) in [
            ("[boot]\nkernel = k", 2, "not TOML: "),
            (
                "[boot]\nkernal = 'k'",
                2,
                "[boot] has no key kernal; there are kernel, initrd, fdt, fdt_dir, args, local",
            ),
            ("\n[boot]\nargs = 'a'", 2, "[boot] has neither kernel nor local = true"),
            ("[boot]\nlocal = false", 2, "local is true, or left out"),
            ("[boot]\nlocal = true\n\nargs = 'a'", 4, "args is of no use beside local = true"),
            ("[boot]\nkernel = 'k'\nargs = ['a']", 3, "args is a text in quotes"),
            ("[boot]\nkernel = 'k'\nfdt = 'a'\nfdt_dir = 'b'", 4, "fdt or fdt_dir, not both"),
            ("[boot]\nkernel = 'k'\n[more]\n", 3, "more does not belong here; there is [boot] alone"),
            ("[boot]\nkernel = 'a b'", 2, "kernel would be `a b`: one file, without blanks"),
            ("[boot]\nkernel = ''", 2, "kernel would be empty"),
            (
                "[boot]\nkernel = 'k'\nargs = \"a\\u0000b\"",
                3,
                "args would be \"a\\0b\", with characters that are no text",
            ),
        ] {
            let error = as_they_are(contents).unwrap_err();
            assert_eq!(error.line, line, "{contents}: {error}");
            assert!(error.why.starts_with(why), "{contents}: {error}");
        }
    }
}

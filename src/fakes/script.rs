//! What a boot loader makes of a PXELINUX text, and a live system of its kernel line.
//!
//! Pure. It knows the few directives that our configs use and passes over the others, as boot loaders do (syslinux wiki,
//! "SYSLINUX configuration file": keywords in any case, `#` begins a comment, the last APPEND of a label holds).

use std::fmt;
use std::net::SocketAddr;

/// What to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// The board's own disk.
    LocalDisk,
    /// A system from the network.
    Live(Live),
}

/// A system from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Kernel, as a TFTP path.
    pub kernel: String,
    /// Initial RAM file system, as a TFTP path.
    pub initrd: Option<String>,
    /// The kernel line.
    pub append: String,
}

/// Why nothing can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptError {
    /// There is no such label.
    NoLabel(String),
    /// The label says neither `kernel` nor `localboot`.
    NothingToBoot(String),
    /// The kernel line lacks this, or what stands there is not that.
    KernelLine(&'static str),
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLabel(label) => write!(f, "the boot config has no label `{label}`"),
            Self::NothingToBoot(label) => {
                write!(f, "label `{label}` names neither a kernel nor the local disk")
            }
            Self::KernelLine(what) => write!(f, "the kernel line has no usable {what}"),
        }
    }
}

impl std::error::Error for ScriptError {}

#[derive(Debug, Default)]
struct Label<'t> {
    name: &'t str,
    kernel: Option<&'t str>,
    initrd: Option<&'t str>,
    append: &'t str,
    local: bool,
}

/// Reads a PXELINUX text and takes its default label, or its first one as U-Boot does where no default is named.
///
/// # Errors
/// See [`ScriptError`].
pub fn choose(text: &str) -> Result<Boot, ScriptError> {
    let mut default = None;
    let mut labels: Vec<Label<'_>> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match (keyword.to_ascii_lowercase().as_str(), labels.last_mut()) {
            ("default", _) => default = Some(rest),
            ("label", _) => labels.push(Label { name: rest, ..Label::default() }),
            ("kernel" | "linux", Some(label)) => label.kernel = Some(rest),
            ("initrd", Some(label)) => label.initrd = Some(rest),
            ("append", Some(label)) => label.append = rest,
            ("localboot", Some(label)) => label.local = true,
            _ => {}
        }
    }
    let wanted = default.or(labels.first().map(|l| l.name)).unwrap_or_default();
    let label =
        labels.iter().find(|l| l.name == wanted).ok_or_else(|| ScriptError::NoLabel(wanted.to_owned()))?;
    if label.local {
        return Ok(Boot::LocalDisk);
    }
    let kernel = label.kernel.ok_or_else(|| ScriptError::NothingToBoot(wanted.to_owned()))?;
    let in_line = || word(label.append, "initrd");
    Ok(Boot::Live(Live {
        kernel: kernel.to_owned(),
        initrd: label.initrd.or_else(in_line).map(str::to_owned),
        append: label.append.to_owned(),
    }))
}

/// What our live system reads from its kernel line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelLine {
    /// URL of the second stage.
    pub second_stage: String,
    /// The board's name in the API.
    pub device: String,
    /// `address:port` of the API.
    pub server: String,
    /// The syslog receiver, if there is one.
    pub syslog: Option<SocketAddr>,
    /// What it shows with each report, as it stands there.
    pub boot: Option<String>,
}

impl KernelLine {
    /// Reads a kernel line. `host_name` is what DHCP told, for a line that does not name the board.
    ///
    /// # Errors
    /// [`ScriptError::KernelLine`] without a second stage, or with one that is not an `http` URL.
    pub fn parse(line: &str, host_name: &str) -> Result<Self, ScriptError> {
        const URL: &str = "mobile-imaging-url";
        let second_stage = word(line, URL).ok_or(ScriptError::KernelLine(URL))?;
        let rest = second_stage.strip_prefix("http://").ok_or(ScriptError::KernelLine(URL))?;
        let authority =
            rest.split('/').next().filter(|a| !a.is_empty()).ok_or(ScriptError::KernelLine(URL))?;
        let syslog = match word(line, "mozpool-syslog").filter(|s| !s.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| ScriptError::KernelLine("mozpool-syslog"))?),
        };
        Ok(Self {
            second_stage: second_stage.to_owned(),
            device: word(line, "mozpool-device").unwrap_or(host_name).to_owned(),
            server: word(line, "mozpool-server").unwrap_or(authority).to_owned(),
            syslog,
            boot: word(line, "mozpool-boot").map(str::to_owned),
        })
    }

    /// The file name of the second stage, which says what it does.
    pub fn stage_name(&self) -> &str {
        self.second_stage.rsplit('/').next().unwrap_or_default()
    }
}

/// The value of `key=value` among words; the last one holds, as in the kernel.
fn word<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    line.split_whitespace().filter_map(|w| w.strip_prefix(key)?.strip_prefix('=')).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "\
default image
prompt 0

LABEL image
  Kernel live/vmlinuz
  initrd live/initrd.img
  fdtdir /dtb
  append mobile-imaging-url=http://10.0.0.1:8080/files/second-stages/write-image.sh mozpool-device=panda-1 \
mozpool-server=10.0.0.1:8080 mozpool-syslog=10.0.0.1:514 BOOTIF=01-02-00-00-00-00-01 panic=10 mozpool-boot=c0ffee
";

    #[test]
    fn a_live_system_is_found_with_what_its_kernel_line_says() {
        let Ok(Boot::Live(live)) = choose(IMAGE) else { panic!("{:?}", choose(IMAGE)) };
        assert_eq!((live.kernel.as_str(), live.initrd.as_deref()), ("live/vmlinuz", Some("live/initrd.img")));
        let line = KernelLine::parse(&live.append, "other").unwrap();
        assert_eq!(line.stage_name(), "write-image.sh");
        assert_eq!((line.device.as_str(), line.server.as_str()), ("panda-1", "10.0.0.1:8080"));
        assert_eq!(line.syslog, Some("10.0.0.1:514".parse().unwrap()));
        assert_eq!(line.boot.as_deref(), Some("c0ffee"));
    }

    #[test]
    fn what_a_line_leaves_out_comes_from_its_url_and_from_dhcp() {
        let line =
            KernelLine::parse("quiet mobile-imaging-url=http://10.0.0.1:99/a/b.sh", "panda-2").unwrap();
        assert_eq!(
            (line.device.as_str(), line.server.as_str(), line.syslog),
            ("panda-2", "10.0.0.1:99", None)
        );
        for bad in
            ["quiet", "mobile-imaging-url=ftp://x/y", "mobile-imaging-url=http:///y", "mobile-imaging-url="]
        {
            assert_eq!(
                KernelLine::parse(bad, "x"),
                Err(ScriptError::KernelLine("mobile-imaging-url")),
                "{bad}"
            );
        }
        let bad = "mobile-imaging-url=http://a/b mozpool-syslog=nowhere";
        assert_eq!(KernelLine::parse(bad, "x"), Err(ScriptError::KernelLine("mozpool-syslog")));
    }

    #[test]
    fn the_default_label_decides() {
        let two = "DEFAULT b\nLABEL a\nKERNEL k\nLABEL b\n  localboot -1\n";
        assert_eq!(choose(two), Ok(Boot::LocalDisk));
        assert!(matches!(choose(&two.replace("DEFAULT b", "# none")), Ok(Boot::Live(l)) if l.kernel == "k"));
        assert_eq!(choose("default x\nlabel a\nkernel k"), Err(ScriptError::NoLabel("x".into())));
        assert_eq!(choose("label a\nappend k"), Err(ScriptError::NothingToBoot("a".into())));
        assert_eq!(choose(""), Err(ScriptError::NoLabel(String::new())));
    }

    #[test]
    fn an_initrd_may_stand_on_the_kernel_line_and_the_last_word_holds() {
        let text = "label a\nlinux k\nappend initrd=one initrd=two xinitrd=three";
        assert!(matches!(choose(text), Ok(Boot::Live(l)) if l.initrd.as_deref() == Some("two")));
    }
}

//! From a PXE config and what is known of a board to the text that its boot loader reads.
//!
//! A PXE config is a description of what is to be booted, whose values are templates, or the template of a whole text.
//! Templates are minijinja. Texts carried over from the original Mozpool have no braces but may hold `%IPADDRESS%`, which still
//! becomes the server's address.

use super::description::{self, BadDescription, Description, Draft};
use super::pxelinux;
use crate::logic::ids::Mac;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Everything that a template may name.
#[derive(Debug, Clone, Serialize)]
pub struct Values {
    /// The board.
    pub device: DeviceValues,
    /// This imaging server.
    pub server: ServerValues,
    /// The image that the boot is for.
    pub image: ImageValues,
    /// The board's boot config, as JSON.
    pub boot_config: serde_json::Value,
    /// The live system.
    pub live: LiveValues,
    /// The board's serial console, as the kernel spells it; empty when there is none.
    pub console: String,
    /// Values of the lab's own (`[pxe.values]`).
    pub site: BTreeMap<String, String>,
    /// What the live system shows with each report, so that it is known to be of this boot; empty where nothing boots.
    pub boot_token: String,
}

/// The word of the kernel line that holds the boot token.
pub const BOOT_WORD: &str = "mozpool-boot=";
/// Shown instead of a boot token to people.
pub const HIDDEN: &str = "(hidden)";
/// The word by which a kernel line of ours is known in a text that is no description.
const STAGE_WORD: &str = "mobile-imaging-url=";

/// See [`Values::device`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeviceValues {
    /// Short name.
    pub name: String,
    /// Full name or address.
    pub fqdn: String,
    /// With dashes, as in PXELINUX's file names.
    pub mac: String,
    /// Its pool.
    pub environment: String,
    /// E.g. `panda`.
    pub hardware_type: String,
    /// E.g. `ES Rev B2`.
    pub hardware_model: String,
}

/// See [`Values::server`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServerValues {
    /// Its name in the pool.
    pub name: String,
    /// Its address as boards reach it: live systems often resolve no names.
    pub ip: String,
    /// `address:port` of the API and the files.
    pub http: String,
    /// `address:port` of the syslog receiver; empty when there is none.
    pub syslog: String,
}

/// See [`Values::image`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct ImageValues {
    /// Its name.
    pub name: String,
    /// Script file that installs it, below `/files/second-stages/`.
    pub second_stage: String,
}

/// See [`Values::live`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LiveValues {
    /// Kernel, as a TFTP path.
    pub kernel: String,
    /// Initial RAM file system, as a TFTP path.
    pub initrd: String,
    /// Device tree, as a TFTP path; empty where the boot loader has it.
    pub fdt: String,
    /// The serial console of boards that boot it; templates call it `console`.
    #[serde(skip)]
    pub console: String,
}

/// The live systems of a lab: another architecture needs another one, and some boards a device tree of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSystems {
    /// For all hardware that is not named.
    pub usual: LiveValues,
    /// By hardware as images' `pxe` tables write it: `TYPE MODEL`, or `TYPE` for all its models.
    pub by_hardware: BTreeMap<String, LiveValues>,
}

impl LiveSystems {
    /// The one for this hardware.
    pub fn of(&self, hardware_type: &str, model: &str) -> &LiveValues {
        let exact = self.by_hardware.get(format!("{hardware_type} {model}").trim_end());
        exact.or_else(|| self.by_hardware.get(hardware_type)).unwrap_or(&self.usual)
    }
}

impl From<LiveValues> for LiveSystems {
    fn from(usual: LiveValues) -> Self {
        Self { usual, by_hardware: BTreeMap::new() }
    }
}

/// A PXE config that cannot be rendered; says where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderError {
    /// The PXE config's name.
    pub template: String,
    /// Line within it, 0 when not known.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PXE config {}, line {}: {}", self.template, self.line, self.why)
    }
}

impl std::error::Error for RenderError {}

/// Steps that one rendering may take, and 64 bytes that it may make, each of them: hundreds of times what a boot config needs, and
/// some milliseconds. A template that counts to a billion ends with an error instead of never.
const STEPS_MAX: u64 = 100_000;

/// What templates may use: minijinja's own, and `word`.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("word", word);
    environment
}

/// `{{ boot_config.url | word }}`: what somebody else gave must not be further arguments of the kernel, of which the last wins.
fn word(value: &minijinja::Value) -> Result<String, minijinja::Error> {
    if value.is_undefined() {
        return Err(minijinja::ErrorKind::UndefinedError.into());
    }
    let text = value.to_string();
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let why = format!("{text:?} is not one word");
        return Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why));
    }
    Ok(text)
}

/// Renders the PXE config `name` with `contents`. A value that does not exist is an error, not an empty word on a kernel line.
///
/// # Errors
/// The line that is wrong, and why.
pub fn render(name: &str, contents: &str, values: &Values) -> Result<String, RenderError> {
    let environment = environment();
    let fill = |template: &str, first_line: usize| {
        let text = environment.render_named_str(name, template, minijinja::value::Serde(values));
        let text = text.map_err(|e| RenderError {
            template: name.to_owned(),
            line: e.line().map_or(0, |line| first_line + line - 1),
            why: e.detail().map_or_else(|| e.kind().to_string(), |d| format!("{}: {d}", e.kind())),
        })?;
        Ok(text.replace("%IPADDRESS%", &values.server.ip))
    };
    if description::is_one(contents) {
        let bad = |BadDescription { line, why }| RenderError { template: name.to_owned(), line, why };
        let draft = Draft::parse(contents).map_err(bad)?;
        let filled: Result<Vec<String>, RenderError> =
            draft.values().iter().map(|value| fill(&value.template, value.line)).collect();
        let mut description = draft.complete(&filled?).map_err(bad)?;
        if let Description::Network(kernel) = &mut description {
            kernel.args = with_token(&kernel.args, &values.boot_token);
        }
        return Ok(pxelinux::text(name, &description));
    }
    let text = fill(contents, 1)?;
    let mut text = match values.boot_token.as_str() {
        "" => text,
        token => text.split_inclusive('\n').map(|line| with_token_in_text(line, token)).collect(),
    };
    // minijinja drops the last newline, and U-Boot ignores a last line without one.
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// A kernel line with the boot token, if there is one and the template has not put it there. PXE configs of labs were written
/// before there were tokens, and must not have to be written anew.
fn with_token(args: &str, token: &str) -> String {
    if token.is_empty() || args.contains(token) {
        return args.to_owned();
    }
    format!("{args} {BOOT_WORD}{token}").trim_start().to_owned()
}

/// The same for a line of a whole text, if it is a kernel line that starts our live system. The token stands before the word that says so:
/// the line's end may be a quote, or a backslash that goes on in the next line.
fn with_token_in_text(line: &str, token: &str) -> String {
    match line.split_once(STAGE_WORD) {
        Some((before, after)) if !line.trim_start().starts_with('#') && !line.contains(token) => {
            format!("{before}{BOOT_WORD}{token} {STAGE_WORD}{after}")
        }
        _ => line.to_owned(),
    }
}

/// Renders the PXE config `name` before any board needs it: `values` are [`sample_values`], or such with more of this server.
/// Which keys a boot config will have nobody knows yet, so it has those that the template names.
///
/// # Errors
/// As [`render`].
pub fn try_out(name: &str, contents: &str, values: &Values) -> Result<String, RenderError> {
    let mut named = serde_json::Map::new();
    let environment = environment();
    // What cannot be parsed says so when it is rendered.
    let draft = description::is_one(contents).then(|| Draft::parse(contents).unwrap_or_default());
    let templates: Vec<&str> = match &draft {
        Some(draft) => draft.values().iter().map(|v| v.template.as_str()).collect(),
        None => vec![contents],
    };
    let parsed = templates.into_iter().filter_map(|t| environment.template_from_str(t).ok());
    let mut variables: Vec<String> = parsed.flat_map(|t| t.undeclared_variables(true)).collect();
    // `disk.name` before `disk`: what is used as both is an object.
    variables.sort_by(|a, b| b.cmp(a));
    for variable in &variables {
        let mut keys = variable.split('.');
        if keys.next() == Some("boot_config") {
            put_in(&mut named, keys);
        }
    }
    render(name, contents, &Values { boot_config: named.into(), ..values.clone() })
}

/// A text in nested objects, at the end of these keys.
fn put_in<'k>(map: &mut serde_json::Map<String, serde_json::Value>, mut keys: impl Iterator<Item = &'k str>) {
    let Some(key) = keys.next() else { return };
    let inside = map.entry(key).or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
    if let serde_json::Value::Object(inside) = inside {
        put_in(inside, keys);
    }
    if inside.as_object().is_some_and(serde_json::Map::is_empty) {
        *inside = "sample".into();
    }
}

/// Made-up values, for checking a template before any board needs it.
pub fn sample_values(server: &ServerValues) -> Values {
    let mac = Mac([2, 0, 0, 0, 0, 1]).join("-");
    Values {
        device: DeviceValues {
            name: "sample".into(),
            fqdn: "sample.example".into(),
            mac,
            ..Default::default()
        },
        server: server.clone(),
        image: ImageValues { name: "sample".into(), second_stage: "write-image.sh".into() },
        boot_config: serde_json::Value::Object(serde_json::Map::new()),
        live: LiveValues {
            kernel: "live/amd64/vmlinuz".into(),
            initrd: "live/amd64/initrd.img".into(),
            ..LiveValues::default()
        },
        console: String::new(),
        site: BTreeMap::new(),
        boot_token: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        sample_values(&ServerValues {
            ip: "10.0.0.1".into(),
            http: "10.0.0.1:8080".into(),
            ..Default::default()
        })
    }

    #[test]
    fn old_texts_get_the_servers_address() {
        let old = "APPEND mobile-imaging-url=http://%IPADDRESS%/scripts/b2g.sh\n";
        let text = render("b2g", old, &values()).unwrap();
        assert_eq!(text, "APPEND mobile-imaging-url=http://10.0.0.1/scripts/b2g.sh\n");
    }

    #[test]
    fn a_kernel_line_gets_the_boot_token_once() {
        let mut values = values();
        let described = "[boot]\nkernel = 'k'\nargs = 'a=1'\n";
        let bare = "[boot]\nkernel = 'k'\n";
        let old = "default x\nlabel x\n# mobile-imaging-url=\n  append mobile-imaging-url=http://a/b  \r\n  ipappend 2\n";
        let continued = "label x\n  append a=1 mobile-imaging-url=u \\\n    b=2\n";
        let own = "label x\nappend mobile-imaging-url=u token={{ boot_token }}";
        assert!([described, bare, old].iter().all(|c| !render("t", c, &values).unwrap().contains("boot=")));
        values.boot_token = "c0ffee".into();
        let appended = |contents| {
            let text = render("t", contents, &values).unwrap();
            text.lines().filter(|l| l.contains("c0ffee")).map(str::trim).collect::<Vec<_>>().join("|")
        };
        assert_eq!(appended(described), "append a=1 mozpool-boot=c0ffee");
        assert_eq!(appended(bare), "append mozpool-boot=c0ffee");
        assert_eq!(appended(old), "append mozpool-boot=c0ffee mobile-imaging-url=http://a/b");
        assert_eq!(appended(continued), "append a=1 mozpool-boot=c0ffee mobile-imaging-url=u \\");
        assert_eq!(appended(own), "append mobile-imaging-url=u token=c0ffee");
        assert_eq!(appended("[boot]\nlocal = true\n"), "");
    }

    #[test]
    fn templates_get_values_and_logic() {
        let contents = "{% if console %}console={{ console }} {% endif %}url=http://{{ server.http }}/files/{{ image.second_stage }}";
        assert_eq!(
            render("t", contents, &values()).unwrap(),
            "url=http://10.0.0.1:8080/files/write-image.sh\n"
        );
    }

    #[test]
    fn a_template_that_does_not_end_is_ended() {
        let forever =
            "{% for a in range(100000) %}{% for b in range(100000) %}{{ a * b }}{% endfor %}{% endfor %}";
        let huge = "{{ 'x' * 100000000 }}";
        for contents in [forever, huge] {
            let error = try_out("t", contents, &values()).unwrap_err();
            assert!(error.why.contains("fuel"), "{error}");
        }
    }

    #[test]
    fn what_a_boot_config_may_have_is_made_up() {
        let contents =
            "{{ boot_config.url }} {% if boot_config.disk.name %}{{ boot_config.disk.name }}{% endif %}";
        assert_eq!(try_out("t", contents, &values()).unwrap(), "sample sample\n");
        assert!(render("t", contents, &values()).is_err());
        for wrong in ["{{ boot_cnfig.url }}", "{{ device.url | word }}", "{{ device.url }}", "{% if %}"] {
            assert!(try_out("t", wrong, &values()).is_err(), "{wrong}");
        }
        assert_eq!(
            try_out("t", "{{ boot_config | tojson }}", &values()).is_ok(),
            render("t", "{{ boot_config | tojson }}", &values()).is_ok()
        );
    }

    #[test]
    fn a_wrong_name_is_an_error_with_its_line() {
        let error = render("t", "ok\n{{ devise.name }}", &values()).unwrap_err();
        assert_eq!((error.line, error.template.as_str()), (2, "t"));
        let error = render("t", "{% if %}", &values()).unwrap_err();
        assert!(error.to_string().starts_with("PXE config t, line 1: "), "{error}");
    }

    #[test]
    fn a_description_is_filled_in_value_by_value() {
        let contents = "# why\n[boot]\nkernel = '{{ live.kernel }}'\nfdt = '{{ live.fdt }}'\n\
                        args = '''\nurl={{ boot_config.url }}\n{% if console %}console={{ console }}{% endif %}\n'''\n";
        let mut values = values();
        assert_eq!(
            try_out("t", contents, &values).unwrap(),
            "default t\nprompt 0\n\nlabel t\n  kernel live/amd64/vmlinuz\n  append url=sample\n"
        );
        // What somebody else gave are words, and never a line or a key.
        values.boot_config = serde_json::json!({ "url": "x'\nkernel evil\n'''" });
        values.console = "ttyS0".into();
        values.live.fdt = "dtb/b.dtb".into();
        assert_eq!(
            render("t", contents, &values).unwrap(),
            "default t\nprompt 0\n\nlabel t\n  kernel live/amd64/vmlinuz\n  fdt dtb/b.dtb\n  \
             append url=x' kernel evil ''' console=ttyS0\n"
        );
        let careful = contents.replace("boot_config.url }}", "boot_config.url | word }}");
        let error = render("t", &careful, &values).unwrap_err();
        assert_eq!((error.line, error.why.ends_with(" is not one word")), (6, true), "{error}");
        values.boot_config = serde_json::json!({ "url": "http://a/b?c=d" });
        assert!(render("t", &careful, &values).unwrap().contains("append url=http://a/b?c=d console"));
        let wrong = "[boot]\nkernel = 'k'\nargs = '''\na\nb={{ devise.name }}'''";
        let error = try_out("t", wrong, &values).unwrap_err();
        assert_eq!((error.line, error.why.as_str()), (5, "undefined value"));
        let error = try_out("t", "[boot]\nkernal = 'k'\n", &values).unwrap_err();
        assert_eq!(error.line, 2);
    }

    #[test]
    fn hardware_gets_the_live_system_that_is_named_for_it() {
        let live = |kernel: &str| LiveValues { kernel: kernel.into(), ..LiveValues::default() };
        let by_hardware = [("panda ES", "a"), ("panda", "b")].map(|(k, v)| (k.to_owned(), live(v)));
        let systems = LiveSystems { usual: live("c"), by_hardware: by_hardware.into() };
        for (kind, model, want) in
            [("panda", "ES", "a"), ("panda", "A1", "b"), ("panda", "", "b"), ("pc", "", "c"), ("", "", "c")]
        {
            assert_eq!(systems.of(kind, model).kernel, want, "{kind} {model}");
        }
    }
}

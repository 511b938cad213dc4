//! The configuration as an admin meets it: the sample is true, and every error names file, line, what is wrong and the remedy.

use mozpool::config::{AddressFrom, Config, Host};
use mozpool::logic::events::ReturnPolicy;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

const SAMPLE: &str = include_str!("../packaging/mozpool.toml");

fn host() -> Host {
    let ip = |text: &str| text.parse().expect("an address");
    Host { name: "imaging-1".into(), route_address: Some(ip("10.1.0.5")), addresses: vec![ip("10.1.0.5")] }
}

/// The sample with every commented default taken into force: `#key = …` and `#[section]`, but not `# text`.
fn uncommented() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_commented_default_of_the_sample_is_true() {
    let empty = Config::parse("", &host()).unwrap();
    assert_eq!(Config::parse(SAMPLE, &host()).unwrap(), empty);
    assert_eq!(Config::parse(&uncommented(), &host()).unwrap(), empty);
}

#[test]
fn the_sample_has_every_setting_and_no_other() {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in uncommented().lines().filter(|l| !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            if section.contains('.') {
                found.insert(section.clone());
            }
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.insert(format!("{section}.{key}"));
        }
    }
    let known: BTreeSet<String> =
        Config::settings().into_iter().map(|s| format!("{}.{}", s.section, s.key)).collect();
    assert_eq!(found, known);
}

#[test]
fn what_is_left_to_the_program_comes_from_the_host() {
    let config = Config::parse("", &host()).unwrap();
    assert_eq!(config.server.name, "imaging-1");
    assert_eq!(
        (config.server.address.to_string(), config.server.address_from),
        ("10.1.0.5".into(), AddressFrom::DefaultRoute)
    );
    assert_eq!(config.public_url("0.0.0.0:4711".parse().unwrap()), "http://10.1.0.5:4711");

    let text = "[server]\nname = \"b\"\naddress = \"fd00::1\"\n[http]\nlisten = \"[::]:80\"\n";
    let config = Config::parse(text, &host()).unwrap();
    assert_eq!(config.server.address_from, AddressFrom::Configured);
    assert_eq!(config.public_url(config.http.listen), "http://[fd00::1]:80");

    let text = "[server]\nurl = \"https://pool.example.com/\"\n[http]\nlisten = \"10.1.0.7:8080\"\n";
    let config = Config::parse(text, &host()).unwrap();
    assert_eq!(config.server.address.to_string(), "10.1.0.7");
    assert_eq!(config.public_url(config.http.listen), "https://pool.example.com");
}

#[test]
fn what_is_set_arrives() {
    let text = r#"
        [server]
        user = "mozpool"
        [store]
        url = "sqlite:/tmp/x.db"
        [tftp]
        enabled = false
        listen = ["10.1.0.5:69", "[fd00::1]:69"]
        blksize_max = 0x200
        [requests]
        return_policy = "none"
        [requests.return_policy_by_environment]
        staging = "self_test"
        [registration]
        enabled = true
        listen = ["[::1]:28001"]
        accept_per_day = 0
        [[registration.accept]]
        mac = "0A:0b-0c"
        name = "tegra-{mac6}"
        hardware_type = "tegra"
        [[registration.accept]]
        pool = "*"
        environment = "strays"
        [pxe]
        console = "ttyS0,115200"
        live_fdt = "dtb/usual.dtb"
        [pxe.live]
        "panda ES" = { kernel = "live/armhf/vmlinuz", fdt = "dtb/panda.dtb", console = "ttyO2" }
        virt = { fdt = "" }
        [pxe.values]
        proxy = "http://10.1.0.9:3128"
        threads = 4
        quiet = true
        [log]
        filter = "warn,mozpool::layers=debug"
    "#;
    let config = Config::parse(text, &host()).unwrap();
    assert_eq!(config.server.user.as_deref(), Some("mozpool"));
    assert_eq!(config.store_url, "sqlite:/tmp/x.db");
    assert_eq!((config.tftp.enabled, config.tftp.listen.len(), config.tftp.blksize_max), (false, 2, 512));
    assert_eq!(config.requests.policy("staging"), ReturnPolicy::SelfTest);
    assert_eq!(config.requests.policy("any"), ReturnPolicy::None);
    let registration = &config.registration;
    assert_eq!((registration.enabled, registration.listen.len(), registration.accept_per_day), (true, 1, 0));
    let [first, second] = &registration.rules[..] else { panic!("{registration:?}") };
    assert_eq!(
        (first.mac.as_deref(), &*first.name, &*first.hardware_type),
        (Some("0a0b0c"), "tegra-{mac6}", "tegra")
    );
    assert_eq!(
        (second.mac.as_deref(), second.pool.as_deref(), &*second.environment),
        (None, Some("*"), "strays")
    );
    let values: Vec<_> = config.pxe.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(values, ["proxy=http://10.1.0.9:3128", "quiet=true", "threads=4"]);
    let live = |kind, model| {
        let live = config.pxe.live.of(kind, model);
        [&*live.kernel, &*live.initrd, &*live.fdt, &*live.console]
    };
    let usual = ["live/amd64/vmlinuz", "live/amd64/initrd.img", "dtb/usual.dtb", "ttyS0,115200"];
    assert_eq!(live("pc", ""), usual);
    assert_eq!(
        live("panda", "ES"),
        ["live/armhf/vmlinuz", "live/amd64/initrd.img", "dtb/panda.dtb", "ttyO2"]
    );
    let its_own = ["live/amd64/vmlinuz", "live/amd64/initrd.img", "", "ttyS0,115200"];
    assert_eq!(live("virt", ""), its_own, "its boot loader has one");
    assert_eq!(config.log_filter, "warn,mozpool::layers=debug");
}

#[test]
fn a_database_is_shown_without_its_password() {
    let text = "[store]\nurl = \"mysql://mozpool:secret@db1,db2:3307/pool?tls=on\"\n";
    let config = Config::parse(text, &host()).unwrap();
    assert!(config.store_url.contains("secret"), "it is needed to get in");
    assert_eq!(config.store_shown(), "mysql://mozpool@db1:3306,db2:3307/pool");
}

/// Text → its faults as the program prints them behind the file's name.
#[rustfmt::skip]
const FAULTS: &[(&str, &[&str])] = &[
    ("[http]\nlisten = \"8080\"\n",
     &["2: http.listen = \"8080\" is not an IP address with a port; write for example \"0.0.0.0:8080\""]),
    ("[http]\nlisten = 8080\n",
     &["2: http.listen = 8080 is not an IP address with a port; write for example \"0.0.0.0:8080\""]),
    ("[http]\n\nlisen = \"0.0.0.0:80\"\n",
     &["3: http.lisen is not a setting of this program; there are listen, files, downloads_max, duration_max_s"]),
    ("# x\n[htpp]\nlisten = \"0.0.0.0:80\"\n",
     &["2: [htpp] is not a section of this program; there are [server], [store], [http], [tftp], [syslog], [registration], [requests], [reports], [pxe], [relays], [inventory], [peers], [log]"]),
    ("listen = \"0.0.0.0:80\"\n",
     &["1: listen stands outside of every section; move it below its [SECTION] line"]),
    ("[http]\nlisten = \n",
     &["2: not TOML: string values must be quoted, expected literal string; write KEY = VALUE below a [SECTION], texts in double quotes"]),
    ("[http]\nlisten = \"0.0.0.0:80\"\nlisten = \"0.0.0.0:81\"\n",
     &["3: not TOML: duplicate key; write KEY = VALUE below a [SECTION], texts in double quotes"]),
    ("[http]\nduration_max_s = 0\n",
     &["2: http.duration_max_s = 0 is not a whole number from 1 to 315360000; write one within these limits"]),
    ("[http]\nduration_max_s = 99999999999999999999\n",
     &["2: http.duration_max_s = 99999999999999999999 is not a whole number from 1 to 315360000; write one within these limits"]),
    ("[relays]\nrest_ms = 1.5\n",
     &["2: relays.rest_ms = 1.5 is not a whole number from 0 to 60000; write one within these limits"]),
    ("[tftp]\nenabled = \"yes\"\n",
     &["2: tftp.enabled = \"yes\" is neither true nor false; write true or false, without quotes"]),
    ("[tftp]\nlisten = [\n  \"0.0.0.0:69\",\n  \"here\",\n]\n",
     &["2: tftp.listen = [ \"0.0.0.0:69\", \"here\", ] is not a list of IP addresses with ports; write for example [\"0.0.0.0:69\"]"]),
    ("[tftp]\nroot = \"tftp\"\n",
     &["2: tftp.root = \"tftp\" is not an absolute path; write one that begins with /, for example \"/srv/mozpool/tftp\""]),
    ("[store]\nurl = \"postgres://db\"\n",
     &["2: store.url = \"postgres://db\" is not a store that this program knows; write sqlite: and an absolute path, for example \"sqlite:/var/lib/mozpool/mozpool.db\", or \"mysql://USER@HOST/DATABASE?password_file=/FILE\""]),
    ("[store]\nurl = \"mysql://u:secret@db\"\n",
     &["2: store.url cannot be used: the database's address names no database of letters, digits, - and _; write mysql://USER:PASSWORD@HOST:PORT/DATABASE; docs/database.md has examples"]),
    ("[store]\nurl = \"mozpool.db\"\n",
     &["2: store.url = \"mozpool.db\" is not a store that this program knows; write sqlite: and an absolute path, for example \"sqlite:/var/lib/mozpool/mozpool.db\", or \"mysql://USER@HOST/DATABASE?password_file=/FILE\""]),
    ("[server]\nname = \"two words\"\n",
     &["2: server.name = \"two words\" is not a host name; write letters, digits, - and ."]),
    ("[server]\naddress = \"0.0.0.0\"\nurl = \"pool.example.com\"\nuser = \"a b\"\n",
     &["2: server.address = \"0.0.0.0\" is not an address that boards can reach; write one of this host's IP addresses, without a port, for example \"10.1.0.5\"",
       "3: server.url = \"pool.example.com\" is not the address of a web server; write for example \"http://imaging-1.example.com:8080\"",
       "4: server.user = \"a b\" is not the name of a user; write for example \"mozpool\""]),
    ("[requests]\nreturn_policy = \"burn\"\n[requests.return_policy_by_environment]\na = \"none\"\nb = 1\n",
     &["2: requests.return_policy = \"burn\" is not a return policy; write \"check\" or \"power_cycle\" or \"self_test\" or \"none\"",
       "5: requests.return_policy_by_environment.b = 1 is not a return policy; write \"check\" or \"power_cycle\" or \"self_test\" or \"none\""]),
    ("[requests]\nreturn_policy_by_environment = \"none\"\n",
     &["2: requests.return_policy_by_environment = \"none\" is not a section; write a section [requests.return_policy_by_environment] with lines NAME = VALUE"]),
    ("[pxe]\nlive_kernel = \"../vmlinuz\"\nlive_initrd = \"/initrd\"\nconsole = \"ttyS0 quiet\"\n",
     &["2: pxe.live_kernel = \"../vmlinuz\" is not a file below the TFTP root; write for example \"live/amd64/vmlinuz\"",
       "3: pxe.live_initrd = \"/initrd\" is not a file below the TFTP root; write for example \"live/amd64/initrd.img\"",
       "4: pxe.console = \"ttyS0 quiet\" is not a kernel's console; write what stands behind console= on its command line, for example \"ttyS0,115200\""]),
    ("[pxe]\nlive_fdt = 1\n[pxe.live]\npc = \"x\"\n[pxe.live.\"panda ES\"]\nkernal = \"k\"\nfdt = \"../x\"\n",
     &["2: pxe.live_fdt = 1 is not a file below the TFTP root; write for example \"dtb/omap4-panda-es.dtb\"",
       "4: pxe.live.pc = \"x\" is not a section; write a section [pxe.live.pc] with lines KEY = VALUE",
       "6: pxe.live.panda ES.kernal is not a setting of this program; there are kernel, initrd, fdt, console",
       "7: pxe.live.panda ES.fdt = \"../x\" is not a file below the TFTP root; write for example \"dtb/omap4-panda-es.dtb\""]),
    ("[pxe.values]\nProxy = \"x\"\nlist = [1]\n",
     &["2: pxe.values.Proxy = \"x\" has a name that templates cannot use; write a name of lower-case letters, digits and _",
       "3: pxe.values.list = [1] is not a text, whole number or switch; write a text in double quotes"]),
    ("[registration]\naccept = [1]\n",
     &["2: registration.accept = [1] is not a list of rules; write for each a section [[registration.accept]] with lines KEY = VALUE"]),
    ("[registration]\nlisten = []\naccept_per_day = -1\n[[registration.accept]]\nmac = \"0g\"\npool = 1\ncolour = \"red\"\nname = \"board\"\n",
     &["2: registration.listen = [] is not a list of IP addresses with ports; write for example [\"0.0.0.0:28001\"]",
       "3: registration.accept_per_day = -1 is not a whole number from 0 to 10000; write one within these limits",
       "5: registration.accept.mac = \"0g\" is not the beginning of a MAC address; write the hex digits that it begins with, for example \"0a:0b:0c\"",
       "6: registration.accept.pool = 1 is not a pattern; write what the agent says, with * for any piece of it, for example \"tegra*\"",
       "7: registration.accept.colour is not a setting of this program; there are mac, pool, hardware, name, environment, hardware_type, hardware_model",
       "8: registration.accept.name = \"board\" has neither {mac} nor {mac6}, so all boards would have one name; write for example \"{pool}-{mac6}\""]),
    ("[registration]\naccept = [{ environment = \"x\" }]\n",
     &["2: registration.accept = { environment = \"x\" } does not say which boards it takes; write mac, pool or hardware as well; hardware = \"*\" takes all"]),
    ("[log]\nfilter = \"verbose\"\n",
     &["2: log.filter = \"verbose\" is not a log filter; write off, error, warn, info, debug or trace, or for example \"info,mozpool::layers=debug\""]),
    ("[log]\nfilter = \"mozpool=chatty\"\n[http]\nfiles = 7\n",
     &["2: log.filter = \"mozpool=chatty\" is not a log filter; write off, error, warn, info, debug or trace, or for example \"info,mozpool::layers=debug\"",
       "4: http.files = 7 is not an absolute path; write one that begins with /, for example \"/srv/mozpool/files\""]),
];

#[test]
fn every_fault_names_its_line_and_the_remedy() {
    for (text, want) in FAULTS {
        let faults = Config::parse(text, &host()).expect_err(text);
        let got: Vec<String> =
            faults.iter().map(|f| format!("{}: {}; {}", f.line, f.problem, f.remedy)).collect();
        assert_eq!(got, *want, "{text}");
    }
}

#[test]
fn every_setting_refuses_what_cannot_be() {
    for mozpool::config::Setting { section, key, .. } in Config::settings() {
        // No setting is a date.
        let text = format!("[{section}]\n{key} = 1979-05-27\n");
        let faults = Config::parse(&text, &host()).expect_err(&text);
        assert_eq!((faults.len(), faults[0].line), (1, 2), "{faults:?}");
        assert!(faults[0].problem.starts_with(&format!("{section}.{key} = 1979-05-27 ")), "{faults:?}");
    }
}

/// Runs the built program with nothing of this user's environment.
fn mozpool(args: &[&str], config: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.args(args).env_remove("MOZPOOL_CONFIG").env_remove("RUST_LOG");
    if let Some(path) = config {
        command.env("MOZPOOL_CONFIG", path);
    }
    command.output().expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("errors are UTF-8")
}

#[test]
fn a_bad_file_ends_the_program_with_2_and_all_its_faults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    std::fs::write(&file, "[http]\nlisten = 80\n\n[tftp]\nroots = \"/x\"\n").unwrap();
    let want = format!(
        "mozpool: {0}:2: http.listen = 80 is not an IP address with a port; write for example \"0.0.0.0:8080\"\n\
         {0}:5: tftp.roots is not a setting of this program; \
         there are enabled, listen, root, blksize_max, windowsize_max, transfers_max, transfers_per_address_max, single_port\n",
        file.display()
    );
    let path = file.to_str().unwrap();
    for output in [
        mozpool(&["serve", "--config", path], None),
        mozpool(&["--config", path, "check"], None),
        mozpool(&["serve"], Some(&file)),
        // --config wins over the environment.
        mozpool(&["serve", "--config", path], Some(Path::new("/nowhere/mozpool.toml"))),
    ] {
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stderr(&output), want);
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_named_file_that_is_not_there_ends_the_program_with_2() {
    let output = mozpool(&["serve", "--config", "/nowhere/mozpool.toml"], None);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "mozpool: cannot read the configuration /nowhere/mozpool.toml (named by --config): \
         No such file or directory (os error 2); create it, correct its name, or make it readable for this user\n"
    );
    let output = mozpool(&["serve"], Some(Path::new("/nowhere/mozpool.toml")));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("(named by $MOZPOOL_CONFIG)"));
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for args in [&[][..], &["fly"], &["serve", "--fast"], &["db"], &["db", "import"]] {
        assert_eq!(mozpool(args, None).status.code(), Some(2), "{args:?}");
    }
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["db", "import", "--help"],
        &["--version"],
    ] {
        let output = mozpool(args, None);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stdout.starts_with(b"mozpool ") || output.stdout.len() > 200, "{args:?}");
    }
}

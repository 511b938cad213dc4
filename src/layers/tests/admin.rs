//! What there is changes under running layers: taken up at once, or when the store answers again, or at the next start.

use super::faulty::Trouble;
use super::world::World;
use crate::clock::Clock;
use crate::lab::{Exists, Kind, Lab};
use crate::layers::messages::*;
use crate::logic::lifeguard::{Ask, Install, State as S};
use crate::logic::mozpool::State as R;
use crate::store::{Deletion, InUse, StoreError};
use crossbeam_channel::{Receiver, bounded};

/// Sends a change on its way.
fn administer(w: &World, change: Administration, dry_run: bool) -> Receiver<AdminAnswer> {
    let (reply, answer) = bounded(1);
    w.devices.send(LifeguardCommand::Administer { change: Box::new(change), dry_run, reply }).unwrap();
    answer
}

/// Applies lab rows, and lets the layers settle.
#[track_caller]
fn apply(w: &mut World, text: &str) -> Vec<String> {
    let lab = Lab::parse(text, "more.toml", "here").unwrap();
    let answer = administer(w, Administration::Apply(lab), false);
    w.settle();
    match answer.try_recv() {
        Ok(AdminAnswer::Done(changes)) => changes.into_iter().map(|c| c.text).collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn delete(w: &mut World, device: &str, force: bool) -> Result<(), StoreError> {
    let change = Administration::Delete { what: Deletion::Device(device.into()), force };
    let answer = administer(w, change, false);
    w.settle();
    match answer.try_recv() {
        Ok(AdminAnswer::Done(_) | AdminAnswer::Synced(_)) => Ok(()),
        Ok(AdminAnswer::Refused(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn debian() -> Ask {
    Ask::Image(Install { image: "debian".into(), boot_config: "{}".into() })
}

/// What *bmm* was asked since the last look: power cycles with their relay, cancellations.
fn jobs(w: &World) -> Vec<String> {
    w.jobs
        .try_iter()
        .filter_map(|job| match job {
            BmmJob::PowerCycle { device, relay, .. } => Some(format!("{device} cycles {relay}")),
            BmmJob::Cancel { device } => Some(format!("{device} cancels")),
            _ => None,
        })
        .collect()
}

fn device(n: usize, more: &str) -> String {
    format!("[[device]]\nname = 'b{n}'\n{more}\n")
}

const NEW: &str =
    "fqdn = '10.0.1.7'\nmac = '020000000007'\nhardware_type = 'pc'\nrelay_info = 'relay9:bank1:relay7'";

#[test]
fn a_new_device_begins_its_life_at_once() {
    let mut w = World::of(1);
    assert_eq!(apply(&mut w, &device(7, NEW)), ["device b7: new"]);
    assert_eq!(w.state("b7"), S::PcPowerCycling, "it tests itself");
    assert_eq!(jobs(&w), ["b7 cycles relay9:bank1:relay7"]);
    assert!(w.lines.try_iter().any(|l| l == JournalLine::DevicesChanged), "its lines are not strays");
    w.pass_self_test("b7");
    assert_eq!(w.state("b7"), S::Ready);
}

#[test]
fn a_dry_run_and_a_refusal_change_nothing() {
    let mut w = World::of(1);
    let lab = Lab::parse(&device(7, NEW), "more.toml", "here").unwrap();
    let answer = administer(&w, Administration::Apply(lab), true);
    w.settle();
    assert!(matches!(answer.try_recv(), Ok(AdminAnswer::Done(changes)) if changes.len() == 1));
    let answer = w.please("b7", Ask::SelfTest);
    w.settle();
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::UnknownDevice));
    for text in ["{{ nothing }}", "{% if %}"] {
        let text = format!("{}[[pxe_config]]\nname = 'image'\ncontents = '{text}'", device(7, NEW));
        let lab = Lab::parse(&text, "more.toml", "here").unwrap();
        let answer = administer(&w, Administration::Apply(lab), false);
        w.settle();
        let Ok(AdminAnswer::Refused(error)) = answer.try_recv() else { panic!("a bad template was taken") };
        let said = error.to_string();
        assert!(
            said.starts_with("more.toml:7: pxe_config `image`, contents: line 1 of the text: "),
            "{said}"
        );
    }
    assert_eq!(w.store.load_device("b7").unwrap(), None);
    assert!(w.lines.try_iter().all(|l| l != JournalLine::DevicesChanged));
}

#[test]
fn of_two_who_make_the_same_device_at_once_the_second_is_refused() {
    let mut w = World::of(1);
    let answers = [NEW, "fqdn = '10.0.1.8'"].map(|more| {
        let mut lab = Lab::parse(&device(7, more), "more.toml", "here").unwrap();
        lab.exists = Exists::No;
        administer(&w, Administration::Apply(lab), false)
    });
    w.settle();
    let [first, second] = answers.map(|answer| answer.try_recv());
    assert!(matches!(first, Ok(AdminAnswer::Done(changes)) if changes.len() == 1));
    let Ok(AdminAnswer::Refused(error)) = second else { panic!("both have made it") };
    assert!(matches!(error, StoreError::ThereAlready { kind: Kind::Device, name } if name == "b7"));
    assert_eq!(w.store.load_device("b7").unwrap().unwrap().info.fqdn, "10.0.1.7");
}

#[test]
fn boards_that_boot_now_get_what_their_templates_and_images_say_now() {
    let mut w = World::of(2);
    w.please("b1", debian());
    w.settle();
    assert!(w.boots(1).is_some() && w.boots(2).is_none());
    apply(&mut w, "[[pxe_config]]\nname = 'image'\ncontents = 'run {{ image.second_stage }}'");
    assert_eq!(w.boots(1).as_deref(), Some("run \n"));
    apply(&mut w, "[[image]]\nname = 'debian'\nsecond_stage = 'other.sh'");
    assert_eq!(w.boots(1).as_deref(), Some("run other.sh\n"));
    assert_eq!(w.boots(2), None);
    apply(&mut w, "[[pxe_config]]\nname = 'local-boot'\ncontents = 'your own disk'");
    let default = w.boot.answer("pxelinux.cfg/default");
    assert_eq!(default, crate::boot::table::Answer::Text(b"your own disk\n"[..].into()));
}

#[track_caller]
fn explained(w: &mut World, device: &str) -> BootAnswer {
    let (reply, answer) = bounded(1);
    w.devices.send(LifeguardCommand::Explain { device: device.into(), reply }).unwrap();
    w.settle();
    answer.try_recv().unwrap()
}

#[track_caller]
fn boot_of(w: &mut World, device: &str) -> NetworkBoot {
    match explained(w, device) {
        BootAnswer::Boot(boot) => *boot,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn drafted(w: &mut World, device: &str, contents: &str, install: Option<Install>) -> DraftAnswer {
    let (reply, answer) = bounded(1);
    let (device, contents) = (device.into(), contents.into());
    w.devices.send(LifeguardCommand::Draft { device, contents, install, reply }).unwrap();
    w.settle();
    answer.try_recv().unwrap()
}

#[test]
fn a_draft_is_rendered_for_a_board_and_changes_nothing() {
    let mut w = World::of(1);
    let before = w.boots(1);
    let text = |text: &str| DraftAnswer::Text(text.into());
    let all = "{{ device.name }} {{ image.name }} {{ boot_config.url }}";
    assert_eq!(drafted(&mut w, "b1", all, None), text("b1  sample\n"));
    let install = Install { image: "debian".into(), boot_config: r#"{"url":"u"}"#.into() };
    assert_eq!(drafted(&mut w, "b1", all, Some(install)), text("b1 debian u\n"));
    let wrong = drafted(&mut w, "b1", "fine\n{{ devise.name }}", None);
    assert_eq!(wrong, DraftAnswer::Wrong { line: 2, why: "undefined value".into() });
    assert_eq!(drafted(&mut w, "nobody", "", None), DraftAnswer::UnknownDevice);
    assert_eq!(w.boots(1), before);
}

#[test]
fn what_a_board_would_get_is_explained() {
    let mut w = World::of(3);
    let own = "pxelinux.cfg/01-02-00-00-00-00-01";
    let boot = boot_of(&mut w, "b1");
    assert_eq!((&*boot.pxe_config, &*boot.gets), ("local-boot", "pxelinux.cfg/default"));
    assert!(boot.asks_for.len() == 10 && boot.asks_for[0] == own, "{:?}", boot.asks_for);
    assert_eq!(boot.why, "in state ready nothing is offered to it: it boots its own disk");
    assert_eq!((boot.image, boot.error), (None, None));

    w.please("b1", debian());
    w.settle();
    let boot = boot_of(&mut w, "b1");
    assert_eq!((&*boot.pxe_config, &*boot.gets, boot.described), ("image", own, true));
    let (offered, token) = (w.boots(1).unwrap(), w.token("b1").unwrap().text());
    assert!(offered.contains(&format!(" mozpool-boot={token}\n")), "{offered}");
    assert_eq!(boot.text, offered.replace(&token, "(hidden)"), "the same, without what nobody else may show");
    assert_eq!(boot.why, "in state pxe_power_cycling it is to boot for image debian, which is image on pc");
    apply(&mut w, "[[pxe_config]]\nname = 'image'\ncontents = 'kernel {{ image.name }}'");
    let boot = boot_of(&mut w, "b1");
    assert_eq!((&*boot.text, boot.described), ("kernel debian\n", false));

    // What an operator chose, and what cannot be had.
    let chosen = crate::logic::lifeguard::Boot { pxe_config: "maintenance".into(), boot_config: None };
    w.event("b2", crate::logic::lifeguard::Event::Offer { boot: Some(chosen), cycles: false });
    w.settle();
    assert_eq!(boot_of(&mut w, "b2").why, "in state ready it is offered maintenance, chosen by hand");
    apply(&mut w, &device(1, "mac = ''"));
    let boot = boot_of(&mut w, "b1");
    assert_eq!((&*boot.gets, &*boot.pxe_config), ("pxelinux.cfg/default", "local-boot"));
    assert_eq!(boot.text, boot_of(&mut w, "b3").text, "what every board gets");
    assert_eq!(boot.error.as_deref(), Some("the device has no MAC address to offer it to"));
    apply(&mut w, "[[pxe_config]]\nname = 'maintenance'\ncontents = '{{ boot_config.nothing.at_all }}'");
    let boot = boot_of(&mut w, "b2");
    assert_eq!(boot.gets, "pxelinux.cfg/default");
    assert!(boot.error.is_some_and(|e| e.starts_with("PXE config maintenance, line 1: undefined value")));
    assert!(boot.why.ends_with("; that cannot be offered, so it gets what every board gets"), "{}", boot.why);
    assert_eq!(explained(&mut w, "nobody"), BootAnswer::UnknownDevice);
}

#[test]
fn addresses_follow_even_when_two_boards_swap_them() {
    let mut w = World::of(3);
    apply(&mut w, "[[pxe_config]]\nname = 'image'\ncontents = '{{ device.name }} {{ device.fqdn }}'");
    for b in ["b1", "b2"] {
        w.please(b, debian());
    }
    w.settle();
    let swap = device(1, "mac = '020000000002'") + &device(2, "mac = '020000000001'\nfqdn = 'two.lab'");
    apply(&mut w, &swap);
    assert_eq!((w.boots(2).as_deref(), w.boots(1).as_deref()), (Some("b1 10.0.0.1\n"), Some("b2 two.lab\n")));
    apply(&mut w, &device(1, "mac = '020000000009'"));
    assert_eq!((w.boots(2), w.boots(9).as_deref()), (None, Some("b1 10.0.0.1\n")));
    apply(&mut w, &device(1, "mac = ''"));
    assert_eq!(w.boots(9), None);
}

#[test]
fn a_waiting_power_cycle_moves_to_the_new_relay() {
    let mut w = World::of(2);
    w.please("b1", Ask::PowerCycle);
    w.settle();
    assert_eq!(jobs(&w).last().unwrap(), "b1 cycles Relay1:bank1:relay1");
    let epoch = w.epoch("b1");
    let both =
        device(1, "relay_info = 'relay5:bank1:relay1'") + &device(2, "relay_info = 'relay5:bank1:relay2'");
    apply(&mut w, &both);
    assert_eq!(jobs(&w), ["b1 cancels", "b1 cycles relay5:bank1:relay1"]);
    assert_eq!(w.epoch("b1"), epoch, "it is the same try");
    w.answered("b1", crate::logic::events::Signal::PowerCycleOk);
    assert_eq!(w.state("b1"), S::PcRebooting);
    jobs(&w);
    // One that has begun ends by itself.
    apply(&mut w, &device(1, "relay_info = 'relay6:bank1:relay1'"));
    assert_eq!(jobs(&w), [""; 0]);
}

#[test]
fn time_limits_and_health_checks_count_from_the_next_state() {
    let mut w = World::of(1);
    apply(&mut w, "[[hardware_type]]\ntype = 'pc'\nlimits = { pc_power_cycling = 7 }");
    w.please("b1", Ask::PowerCycle);
    w.settle();
    let deadline = w.store.load_device("b1").unwrap().unwrap().machine.deadline.unwrap();
    assert_eq!(deadline.ms_since(w.clock.now()), 7000);
}

#[test]
fn a_deleted_device_is_forgotten_and_a_claimed_one_stays() {
    let mut w = World::of(2);
    let request = w.request(Some("b2"), "debian");
    assert!(matches!(
        delete(&mut w, "b2", true),
        Err(StoreError::InUse { why: InUse::Claimed { request: held }, .. }) if held == request.0
    ));
    w.install("b2");
    assert_eq!(w.of_request(request).0, R::Ready, "the refusal has disturbed nothing");
    w.please("b1", debian());
    w.settle();
    assert!(w.boots(1).is_some());
    assert!(matches!(delete(&mut w, "b1", false), Err(StoreError::InUse { why: InUse::Busy { .. }, .. })));
    jobs(&w);
    delete(&mut w, "b1", true).unwrap();
    assert_eq!((w.boots(1), jobs(&w)), (None, vec!["b1 cancels".to_owned()]));
    let answer = w.please("b1", Ask::SelfTest);
    w.pass_s(1000);
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::UnknownDevice));
    assert_eq!(jobs(&w).iter().filter(|j| j.starts_with("b1")).count(), 0, "no time limit of it is left");
    // The same name again is another device.
    apply(&mut w, &device(1, NEW));
    assert_eq!(w.state("b1"), S::PcPowerCycling);
}

#[test]
fn a_device_that_goes_to_another_server_is_left_alone() {
    let mut w = World::of(1);
    w.please("b1", debian());
    w.settle();
    jobs(&w);
    apply(&mut w, &device(1, "imaging_server = 'there'"));
    assert_eq!((w.boots(1), jobs(&w)), (None, vec!["b1 cancels".to_owned()]));
    apply(&mut w, &device(1, "imaging_server = 'here'"));
    assert!(w.boots(1).is_some(), "and taken up where it stood when it comes back");
}

#[test]
fn a_request_that_waits_sees_what_it_could_not_use_before() {
    let mut w = World::of(1);
    apply(&mut w, "[[image]]\nname = 'new'");
    let request = w.request(None, "new");
    assert_eq!(w.of_request(request).0, R::FindingDevice);
    // A cell of the matrix …
    apply(&mut w, "[[image]]\nname = 'new'\npxe = { 'pc' = 'image' }");
    assert_eq!(w.of_request(request).1.as_deref(), Some("b1"));
    // … or what a board is.
    let mut w = World::of(1);
    apply(&mut w, &device(1, "hardware_type = 'odd'"));
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request).0, R::FindingDevice);
    apply(&mut w, &device(1, "hardware_type = 'pc'"));
    assert_eq!(w.of_request(request).1.as_deref(), Some("b1"));
}

#[test]
fn a_store_that_fails_after_the_commit_is_read_again() {
    for verb in ["catalog", "load_device"] {
        let mut w = World::of(2);
        w.please("b2", debian());
        w.settle();
        w.trouble(Trouble::Verb(verb));
        let text = device(7, NEW)
            + &device(2, "mac = '020000000009'")
            + "[[image]]\nname = 'fresh'\npxe = { 'pc' = 'image' }";
        assert_eq!(apply(&mut w, &text).len(), 4, "it is on disk");
        w.trouble(None);
        w.pass_s(1);
        assert_eq!(w.state("b7"), S::PcPowerCycling, "{verb}");
        assert!(w.boots(2).is_none() && w.boots(9).is_some(), "{verb}");
        let request = w.request(Some("b1"), "fresh");
        assert_eq!(w.of_request(request).1.as_deref(), Some("b1"), "{verb}");

        let mut w = World::of(2);
        w.please("b1", debian());
        w.settle();
        w.trouble(Trouble::Verb("catalog"));
        delete(&mut w, "b1", true).unwrap();
        w.trouble(None);
        w.pass_s(1);
        assert_eq!(w.boots(1), None);
    }
}

#[test]
fn a_crash_between_commit_and_memory_is_made_good_by_the_start() {
    let mut w = World::of(2);
    w.please("b1", debian());
    w.please("b2", debian());
    w.settle();
    // On disk, and then nothing more.
    w.describe(&(device(7, NEW) + &device(1, "mac = '020000000009'")));
    w.store.delete(&Deletion::Device("b2".into()), true, false, w.clock.now()).unwrap();
    w.start();
    w.settle();
    assert_eq!(w.state("b7"), S::PcPowerCycling);
    assert!(w.boots(1).is_none() && w.boots(2).is_none() && w.boots(9).is_some());
    let answer = w.please("b2", Ask::SelfTest);
    w.settle();
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::UnknownDevice));
}

#[test]
fn a_store_that_does_not_answer_is_told_and_nothing_changes() {
    let mut w = World::of(1);
    w.trouble(Trouble::All);
    let answer =
        administer(&w, Administration::Apply(Lab::parse(&device(7, NEW), "x", "here").unwrap()), false);
    w.lifeguard();
    assert!(matches!(answer.try_recv(), Ok(AdminAnswer::Refused(StoreError::Unavailable { .. }))));
    w.trouble(None);
    w.pass_s(2);
    assert_eq!(w.store.load_device("b7").unwrap(), None);
}

#[test]
fn who_waits_is_not_told_of_changes_that_do_not_matter() {
    let mut w = World::of(2);
    let _holds = (w.request(Some("b1"), "debian"), w.request(Some("b2"), "debian"));
    let (any, odd) = (w.request(None, "debian"), w.request_of(|w| w.hardware_type = Some("odd".into())));
    let before = (w.request_log(any), w.request_log(odd));
    for comments in ["a", "b", "c"] {
        apply(&mut w, &format!("[[device]]\nname = 'b1'\ncomments = '{comments}'\n"));
    }
    assert_eq!((w.request_log(any), w.request_log(odd)), before, "nothing has changed for them");
}

#[test]
fn another_device_under_the_same_name_is_not_taken_for_the_one_before() {
    let mut w = World::of(1);
    w.settle();
    let before = w.store.load_device("b1").unwrap().unwrap();
    // By another server, in one moment: as far on as the one before, and not to be touched.
    w.store.delete(&Deletion::Device("b1".into()), true, false, w.clock.now()).unwrap();
    w.describe("[[device]]\nname = 'b1'\nfqdn = '10.0.0.1'\nhardware_type = 'pc'\nstate = 'locked_out'\n");
    let after = w.store.load_device("b1").unwrap().unwrap();
    assert_eq!(before.machine.epoch, after.machine.epoch);
    assert_ne!(before.id, after.id);
    let look = Look { devices: ["b1".into()].into(), ..Look::default() };
    w.devices.send(LifeguardCommand::LookAgain { look: Box::new(look) }).unwrap();
    w.settle();
    assert_eq!(jobs(&w), ["b1 cancels"], "what was asked for the one before");
    w.please("b1", debian());
    w.settle();
    assert_eq!(w.state("b1"), S::LockedOut);
    assert_eq!(jobs(&w), Vec::<String>::new(), "hands off");
}

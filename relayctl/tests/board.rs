//! The client against the fake board: good operations byte by byte, every fault with its error and its time limit.
#![allow(clippy::unwrap_used)]

use relayctl::fake::{Dialect, Misbehaviour, Sender};
use relayctl::proxr::ReplyError;
use relayctl::{
    Action, Bank, BoardAddress, Change, FakeBoard, FakeSettings, Fault, PowerAfter, PowerState, Relay,
    RelayAddress, RelayError, Settings, Step, Wiring,
};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use PowerState::{Off, On};

/// Enough for anything that works; a test that waits this long fails.
const LONG: Duration = Duration::from_secs(20);
/// For operations that are to run out of time.
const SHORT: Duration = Duration::from_millis(150);

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}
fn fake() -> FakeBoard {
    FakeBoard::start(any_port(), FakeSettings::default()).unwrap()
}
fn bank(n: u8) -> Bank {
    Bank::new(n).unwrap()
}
fn relay(n: u8) -> Relay {
    Relay::new(n).unwrap()
}
/// Bank 1, relay 2: the one of the recorded power cycle.
fn at(board: &FakeBoard) -> RelayAddress {
    format!("{}:bank1:relay2", board.addr()).parse().unwrap()
}
fn power(board: &FakeBoard) -> PowerState {
    board.power(bank(1), relay(2))
}
fn within(limit: Duration) -> Settings {
    let mut settings = Settings::new(Instant::now() + limit);
    settings.pause = Duration::from_millis(10);
    settings
}
fn talk(board: &FakeBoard) -> String {
    let line = |(sender, bytes): (Sender, Vec<u8>)| {
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02X}")).collect();
        format!("{} {}", if sender == Sender::Client { ">" } else { "<" }, hex.join(" "))
    };
    board.log().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

const CYCLE: &str = "> FE 6D 01\n< 55\n> FE 75 01\n< 01\n> FE 65 01\n< 55\n> FE 75 01\n< 00";

#[test]
fn a_power_cycle_has_the_recorded_bytes_and_its_pause() {
    let board = fake();
    let mut settings = within(LONG);
    settings.pause = Duration::from_millis(80);
    let begun = Instant::now();
    assert_eq!(relayctl::run(&at(&board), Action::PowerCycle, &settings), Ok(On));
    assert!(begun.elapsed() >= settings.pause);
    assert_eq!(talk(&board), CYCLE);
    assert_eq!(board.connections(), 1, "all on one connection");
    assert_eq!(power(&board), On);
}

#[test]
fn switching_and_looking_leave_the_neighbours_alone() {
    for wiring in [Wiring::NormallyClosed, Wiring::NormallyOpen] {
        for dialect in [Dialect::Plain, Dialect::Fusion] {
            let settings = FakeSettings { wiring, dialect, ..FakeSettings::default() };
            let board = FakeBoard::start(any_port(), settings).unwrap();
            let address = RelayAddress { wiring, ..at(&board) };
            let run = |action| relayctl::run(&address, action, &within(LONG));
            assert_eq!(run(Action::Status), Ok(Off));
            assert_eq!(run(Action::PowerOn), Ok(On));
            assert_eq!(run(Action::Status), Ok(On));
            let all = relayctl::bank_status(&address.board, bank(1), wiring, &within(LONG)).unwrap();
            let on: Vec<_> = Relay::all().filter(|&r| all.of(r) == On).collect();
            assert_eq!(on, [relay(2)]);
            assert_eq!(run(Action::PowerOff), Ok(Off));
            assert_eq!(run(Action::PowerCycle), Ok(On));
        }
    }
}

#[test]
fn changes_are_observed_in_order_and_before_the_acknowledgement() {
    let (seen, changes) = mpsc::channel();
    let observer = Box::new(move |change| seen.send(change).unwrap());
    let settings = FakeSettings { initial: On, ..FakeSettings::default() };
    let board = FakeBoard::start_observed(any_port(), settings, observer).unwrap();
    relayctl::run(&at(&board), Action::PowerCycle, &within(LONG)).unwrap();
    relayctl::run(&at(&board), Action::PowerOn, &within(LONG)).unwrap();
    let change = |power| Change { bank: bank(1), relay: relay(2), power };
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), [change(Off), change(On)], "on again is no change");
}

/// Runs an action on a board that misbehaves, checks that it fails in time, and gives the error.
#[track_caller]
fn fails(misbehaviour: Misbehaviour, action: Action) -> RelayError {
    let board = fake();
    board.set_misbehaviour(misbehaviour);
    let settings = Settings { grace: SHORT, ..within(SHORT) };
    let begun = Instant::now();
    let error = relayctl::run(&at(&board), action, &settings).unwrap_err();
    // Twice what it may take, for a machine that is busy.
    assert!(begun.elapsed() < 4 * SHORT, "{misbehaviour:?} took {:?}", begun.elapsed());
    let said = error.to_string();
    assert!(said.contains(&board.addr().to_string()) && said.contains("bank 1, relay 2"), "{said}");
    error
}

#[test]
fn every_fault_has_its_own_error_with_step_and_remedy() {
    let check = |how, action, step, fault| {
        let error = fails(how, action);
        assert_eq!((error.step, &error.fault), (step, &fault), "{how:?}");
        assert!(error.to_string().contains(fault.remedy()), "{error}");
        error.power
    };
    use Action::{PowerOff, PowerOn, Status};
    let off = Step::Switch(Off);
    let wrong = |got, wanted| Fault::WrongReply(ReplyError::WrongByte { got, wanted });
    let unverified = PowerAfter::Unverified;
    assert_eq!(check(Misbehaviour::Mute, PowerOff, off, Fault::TimedOut), unverified);
    assert_eq!(check(Misbehaviour::Slow(LONG), PowerOff, off, Fault::TimedOut), unverified);
    assert_eq!(check(Misbehaviour::HalfReply, PowerOff, off, Fault::ShortReply { got: vec![1] }), unverified);
    assert_eq!(check(Misbehaviour::Close, PowerOff, off, Fault::Closed), unverified);
    assert_eq!(check(Misbehaviour::Reset, PowerOff, off, Fault::Reset), unverified);
    let switch = "85, or the bank's number and its status";
    assert_eq!(check(Misbehaviour::Garbage(0x2a), PowerOff, off, wrong(0x2a, switch)), unverified);
    let check_on = Step::Check(On);
    assert_eq!(
        check(Misbehaviour::StuckRelay, PowerOn, check_on, Fault::NotMoved { wanted: On }),
        unverified
    );
    assert_eq!(check(Misbehaviour::Mute, Status, Step::Read, Fault::TimedOut), PowerAfter::Untouched);
    let read = wrong(85, "0 or 1");
    assert_eq!(check(Misbehaviour::Garbage(85), Status, Step::Read, read), PowerAfter::Untouched);
    assert_eq!(check(Misbehaviour::Close, Status, Step::Read, Fault::Closed), PowerAfter::Untouched);
}

#[test]
fn a_reply_may_come_in_pieces_but_not_for_ever() {
    let board = fake();
    board.set_dialect(Dialect::Fusion);
    board.set_misbehaviour(Misbehaviour::Dribble(Duration::from_millis(30)));
    assert_eq!(relayctl::run(&at(&board), Action::PowerOn, &within(LONG)), Ok(On));
    assert_eq!(talk(&board), "> FE 65 01\n< 01\n< FD\n> FE 75 01\n< 00", "the reply was cut");
    // The deadline is the operation's, not each read's.
    board.set_misbehaviour(Misbehaviour::Dribble(SHORT * 2 / 3));
    let error = relayctl::run(&at(&board), Action::PowerOff, &within(SHORT)).unwrap_err();
    assert_eq!(error.fault, Fault::ShortReply { got: vec![1] });
}

#[test]
fn a_byte_too_many_is_not_taken_for_the_next_reply() {
    // Either it comes with the reply, or it is found before the next command.
    let error = fails(Misbehaviour::ExtraByte, Action::PowerOn);
    assert_eq!(error.fault, Fault::WrongReply(ReplyError::Extra { extra: 0 }));
}

#[test]
fn a_board_that_hangs_up_at_once_is_closed_or_reset() {
    let error = fails(Misbehaviour::CloseAfterAccept, Action::PowerOff);
    assert!(matches!(error.fault, Fault::Closed | Fault::Reset), "{error}");
}

#[test]
fn a_fusion_board_says_itself_that_a_relay_has_not_moved() {
    let board = fake();
    board.set_dialect(Dialect::Fusion);
    board.set_misbehaviour(Misbehaviour::StuckRelay);
    let error = relayctl::run(&at(&board), Action::PowerOn, &within(LONG)).unwrap_err();
    assert_eq!(error.step, Step::Switch(On));
    assert_eq!(error.fault, Fault::NotMoved { wanted: On });
}

#[test]
fn a_refusing_board_is_refused_at_once_or_after_patience_and_heals() {
    let board = fake();
    board.set_misbehaviour(Misbehaviour::Refuse);
    let refused = relayctl::run(&at(&board), Action::PowerCycle, &within(LONG)).unwrap_err();
    assert_eq!(refused.fault, Fault::Refused);
    assert_eq!((refused.step, refused.power), (Step::Connect, PowerAfter::Untouched));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| {
            let settings = Settings { patience: LONG, ..within(LONG) };
            relayctl::run(&at(&board), Action::PowerOn, &settings)
        });
        board.set_misbehaviour(Misbehaviour::None);
        assert_eq!(patient.join().unwrap(), Ok(On));
    });
}

#[test]
fn a_second_connection_is_refused_during_an_operation_and_the_rest_after_it() {
    let rest = Duration::from_millis(200);
    let board =
        FakeBoard::start(any_port(), FakeSettings { recovery: rest, ..FakeSettings::default() }).unwrap();
    board.misbehave_later(0, 1, Misbehaviour::Slow(Duration::from_millis(200)));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| relayctl::run(&at(&board), Action::Status, &within(LONG)));
        assert!(board.wait_for_commands(1, LONG));
        let second = relayctl::run(&at(&board), Action::Status, &within(LONG)).unwrap_err();
        assert_eq!(second.fault, Fault::Refused);
        assert_eq!(first.join().unwrap(), Ok(Off));
    });
    let closed = Instant::now();
    let resting = relayctl::run(&at(&board), Action::Status, &within(LONG)).unwrap_err();
    assert_eq!(resting.fault, Fault::Refused);
    let patient = Settings { patience: LONG, ..within(LONG) };
    assert_eq!(relayctl::run(&at(&board), Action::Status, &patient), Ok(Off));
    assert!(closed.elapsed() >= rest - Duration::from_millis(50), "{:?}", closed.elapsed());
}

#[test]
fn whatever_command_of_a_power_cycle_fails_the_device_ends_on() {
    let faults = [
        Misbehaviour::Mute,
        Misbehaviour::Garbage(9),
        Misbehaviour::Close,
        Misbehaviour::Reset,
        Misbehaviour::ExtraByte,
        Misbehaviour::HalfReply,
        Misbehaviour::StuckRelay,
    ];
    for misbehaviour in faults {
        for command in 0..4 {
            let recovery = Duration::from_millis(30);
            let settings = FakeSettings { initial: On, recovery, ..FakeSettings::default() };
            let board = FakeBoard::start(any_port(), settings).unwrap();
            board.misbehave_later(command, 1, misbehaviour);
            let settings = Settings { grace: LONG, ..within(SHORT) };
            let result = relayctl::run(&at(&board), Action::PowerCycle, &settings);
            let what = format!("{misbehaviour:?} at command {command}: {result:?}");
            assert_eq!(power(&board), On, "{what}");
            match (misbehaviour, command, result) {
                // Reading is not answered badly by these.
                (Misbehaviour::StuckRelay | Misbehaviour::HalfReply, 1 | 3, Ok(On)) => {}
                // The byte too many after the last reply may come when nobody listens any more.
                (Misbehaviour::ExtraByte, 3, Ok(On)) => {}
                (_, _, Err(error)) => assert_eq!(error.power, PowerAfter::RestoredOn, "{what}"),
                (_, _, Ok(_)) => panic!("{what}"),
            }
        }
    }
}

#[test]
fn a_device_that_cannot_be_switched_on_again_is_said_to_be_off() {
    let board =
        FakeBoard::start(any_port(), FakeSettings { initial: On, ..FakeSettings::default() }).unwrap();
    // The off command and its check are good; then the relay is stuck.
    board.misbehave_later(2, 1000, Misbehaviour::StuckRelay);
    let error = relayctl::run(&at(&board), Action::PowerCycle, &within(LONG)).unwrap_err();
    assert_eq!((error.step, error.power), (Step::Check(On), PowerAfter::MayBeOff));
    assert!(error.to_string().contains("may be without power"), "{error}");
    assert_eq!(power(&board), Off);

    // And a board that has gone mute: in time, deadline and grace together.
    board.misbehave_later(2, u32::MAX, Misbehaviour::Mute);
    let begun = Instant::now();
    let settings = Settings { grace: 2 * SHORT, ..within(SHORT) };
    let error = relayctl::run(&at(&board), Action::PowerCycle, &settings).unwrap_err();
    assert_eq!(error.power, PowerAfter::MayBeOff);
    assert!(begun.elapsed() < 6 * SHORT, "{:?}", begun.elapsed());
}

#[test]
fn a_power_cycle_that_cannot_end_in_time_is_not_begun() {
    let board =
        FakeBoard::start(any_port(), FakeSettings { initial: On, ..FakeSettings::default() }).unwrap();
    let settings = Settings { pause: LONG, ..within(SHORT) };
    let error = relayctl::run(&at(&board), Action::PowerCycle, &settings).unwrap_err();
    assert!(matches!(error.fault, Fault::TooLittleTime { .. }), "{error}");
    assert_eq!((error.power, talk(&board).as_str()), (PowerAfter::Untouched, ""));
}

#[test]
fn the_two_way_test_takes_85_and_nothing_else() {
    let board = fake();
    let address: BoardAddress = board.addr().to_string().parse().unwrap();
    assert_eq!(relayctl::test(&address, &within(LONG)), Ok(()));
    assert_eq!(talk(&board), "> FE 21\n< 55");
    for byte in [0, 1, 84, 86, 87, 255] {
        board.set_misbehaviour(Misbehaviour::Garbage(byte));
        assert!(relayctl::test(&address, &within(LONG)).is_err(), "{byte}");
    }
    board.set_misbehaviour(Misbehaviour::ConfigurationMode);
    let error = relayctl::test(&address, &within(LONG)).unwrap_err();
    assert_eq!(error.fault, Fault::WrongReply(ReplyError::ConfigurationMode));
    assert!(error.to_string().contains("configuration mode"), "{error}");
}

#[test]
fn banks_that_a_board_does_not_have_do_not_answer_and_strangers_do_not_stop_it() {
    use std::io::Write;
    let board = fake();
    let mut far = at(&board);
    far.bank = bank(5);
    assert_eq!(relayctl::run(&far, Action::PowerOn, &within(SHORT)).unwrap_err().fault, Fault::TimedOut);
    let mut stranger = TcpStream::connect(board.addr()).unwrap();
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n\xfe\xfe\xfe\xfe\xfe\x64\x00\xfe\x63\xfe").unwrap();
    drop(stranger);
    assert_eq!(relayctl::run(&at(&board), Action::PowerOn, &within(LONG)), Ok(On));
}

#[test]
fn a_dropped_board_ends_with_a_client_connected_and_a_taken_port_is_an_error() {
    let board = fake();
    let addr = board.addr();
    assert!(FakeBoard::start(addr, FakeSettings::default()).is_err(), "taken");
    let _client = TcpStream::connect(addr).unwrap();
    board.set_misbehaviour(Misbehaviour::Slow(LONG));
    let begun = Instant::now();
    drop(board);
    assert!(begun.elapsed() < LONG / 2);
    assert!(TcpStream::connect(addr).is_err());
}

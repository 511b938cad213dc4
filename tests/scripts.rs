//! What runs on boards, without a board: shellcheck, busybox ash, and each second stage against a server with faults.

use std::path::Path;
use std::process::Command;

#[test]
fn the_boards_scripts_pass_their_own_tests() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/scripts-test.sh");
    let output = Command::new(script).output().expect("tests/rig/scripts-test.sh can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().count() > 10, "it says what it did: {said}");
}

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// `/sys` with chips, by number, device and channels.
fn sys(chips: &[(u32, &str, u32)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (number, device, count) in chips {
        let device = root.path().join("devices").join(device);
        let chip = root.path().join(format!("{CLASS}/pwmchip{number}"));
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(&chip).unwrap();
        symlink(&device, chip.join("device")).unwrap();
        fs::write(chip.join("npwm"), format!("{count}\n")).unwrap();
        fs::write(chip.join("export"), "").unwrap();
    }
    root
}

/// A chip with one exported channel as the kernel shows it.
fn exported(period_ns: u64, duty_ns: u64, polarity: &str, enable: u8) -> (TempDir, PathBuf) {
    let root = sys(&[(0, "fe20c000.pwm", 2)]);
    let place = root.path().join(CLASS).join("pwmchip0/pwm0");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("period"), format!("{period_ns}\n")).unwrap();
    fs::write(place.join("duty_cycle"), format!("{duty_ns}\n")).unwrap();
    fs::write(place.join("polarity"), format!("{polarity}\n")).unwrap();
    fs::write(place.join("enable"), format!("{enable}\n")).unwrap();
    (root, place)
}

/// Has a file refuse to be written, to root too: the kernel lets nobody write this one.
fn refuse(file: &Path) {
    fs::remove_file(file).unwrap();
    symlink("/proc/sys/kernel/random/boot_id", file).unwrap();
    let opened = OpenOptions::new().write(true).open(file);
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// A chip with two channels that refuse to be driven.
pub(in crate::board) fn refusing_chip() -> TempDir {
    let (root, place) = exported(40_000, 0, "normal", 1);
    let second = place.with_file_name("pwm1");
    fs::create_dir(&second).unwrap();
    for name in ["period", "duty_cycle", "polarity", "enable"] {
        fs::copy(place.join(name), second.join(name)).unwrap();
    }
    refuse(&place.join("duty_cycle"));
    refuse(&second.join("duty_cycle"));
    root
}

fn channel(place: &Path, frequency_hz: u32, inverted: bool) -> Channel {
    Channel::open(place.parent().unwrap(), 0, frequency_hz, inverted).unwrap()
}

fn permille(permille: u16) -> Permille {
    Permille::new(permille).unwrap()
}

fn drive(channel: &mut Channel, share: u16) -> Result<(), PinFault> {
    channel.drive(permille(share))
}

fn read(place: &Path) -> [String; 4] {
    ["period", "duty_cycle", "polarity", "enable"]
        .map(|name| fs::read_to_string(place.join(name)).unwrap().trim().to_owned())
}

#[test]
fn a_channel_that_is_not_there_is_exported_by_its_number_and_nothing_else_is_written() {
    let root = sys(&[(0, "fe20c000.pwm", 2)]);
    let chip = root.path().join(CLASS).join("pwmchip0");
    Channel::open(&chip, 1, 25_000, false).unwrap();
    assert_eq!(fs::read_to_string(chip.join("export")).unwrap(), "1");
    assert!(!chip.join("pwm1").exists());
}

#[test]
fn a_channel_that_is_there_is_not_exported_again_nor_changed_by_opening() {
    let (root, place) = exported(40_000, 10_000, "normal", 1);
    let channel = channel(&place, 25_000, false);
    assert_eq!(fs::read_to_string(root.path().join(CLASS).join("pwmchip0/export")).unwrap(), "");
    assert_eq!(read(&place), ["40000", "10000", "normal", "1"]);
    assert_eq!(channel.present(), Some(permille(250)));
}

#[test]
fn the_first_drive_sets_up_a_fresh_channel_whole() {
    let (_root, place) = exported(0, 0, "normal", 0);
    let mut channel = channel(&place, 25_000, false);
    assert_eq!(channel.present(), None);
    drive(&mut channel, 412).unwrap();
    assert_eq!(read(&place), ["40000", "16480", "normal", "1"]);
    drive(&mut channel, 0).unwrap();
    assert_eq!(read(&place), ["40000", "0", "normal", "1"], "zero is a duty, not a disabled channel");
    drive(&mut channel, 1000).unwrap();
    assert_eq!(read(&place), ["40000", "40000", "normal", "1"]);
}

#[test]
fn an_inverted_channel_has_the_kernel_turn_its_polarity() {
    let (_root, place) = exported(40_000, 0, "normal", 1);
    let mut channel = channel(&place, 25_000, true);
    assert_eq!(channel.present(), None, "what it does in the other polarity says nothing");
    drive(&mut channel, 250).unwrap();
    assert_eq!(read(&place), ["40000", "10000", "inversed", "1"]);
    assert_eq!(channel.present(), Some(permille(250)));
}

#[test]
fn a_restart_does_not_show_on_the_wire() {
    let (_root, place) = exported(40_000, 10_000, "normal", 1);
    let modified = |name: &str| fs::metadata(place.join(name)).unwrap().modified().unwrap();
    let stamps = ["period", "polarity", "enable"].map(modified);
    drive(&mut channel(&place, 25_000, false), 500).unwrap();
    assert_eq!(read(&place), ["40000", "20000", "normal", "1"]);
    assert_eq!(["period", "polarity", "enable"].map(modified), stamps);
}

/// What the kernel allows of one write to a channel, as its PWM core and its drivers do.
fn kernel_takes(state: &mut State, (name, text): &(&'static str, String)) -> Result<(), String> {
    let number = || text.parse::<u64>().unwrap();
    match *name {
        "enable" => state.enabled = number() == 1,
        "period" => state.period_ns = number(),
        "duty_cycle" => state.duty_ns = number(),
        "polarity" if state.enabled => return Err("a polarity while it is on".into()),
        "polarity" => state.inverted = text == INVERSED,
        other => return Err(format!("no attribute {other}")),
    }
    match () {
        () if state.period_ns == 0 => Err(format!("{name} without a period")),
        () if state.duty_ns > state.period_ns => Err(format!("{name}: a duty above the period")),
        () => Ok(()),
    }
}

proptest! {
    #[test]
    fn the_kernel_takes_every_step_from_whatever_somebody_left_to_what_is_wanted(
        period_ns in prop_oneof![Just(0_u64), 1..1_000_000_000_u64],
        present_share in 0..=1000_u64,
        wanted_ns in 1..1_000_000_000_u64,
        wanted_share in 0..=1000_u64,
        inverted in any::<(bool, bool)>(),
        enabled in any::<bool>(),
    ) {
        let mut state = State {
            period_ns,
            duty_ns: period_ns * present_share / 1000,
            inverted: inverted.0,
            enabled: enabled && period_ns > 0,
        };
        let duty_ns = wanted_ns * wanted_share / 1000;
        let wanted = State { period_ns: wanted_ns, duty_ns, inverted: inverted.1, enabled: true };
        let steps = state.steps_to(wanted);
        if (State { duty_ns, ..state }) == wanted {
            prop_assert_eq!(&steps, &vec![("duty_cycle", duty_ns.to_string())]);
        }
        prop_assert!(state.inverted != wanted.inverted || steps.iter().all(|step| *step != ("enable", "0".into())));
        for step in steps {
            if let Err(refusal) = kernel_takes(&mut state, &step) {
                return Err(TestCaseError::fail(refusal));
            }
        }
        prop_assert_eq!(state, wanted);
    }
}

/// Writes are refused: the attribute is a directory, so a write to it fails.
fn refusing(place: &Path, name: &str) {
    fs::remove_file(place.join(name)).unwrap();
    fs::create_dir(place.join(name)).unwrap();
}

#[test]
fn after_a_fault_everything_is_set_up_again() {
    let (_root, place) = exported(40_000, 0, "normal", 1);
    let mut channel = channel(&place, 25_000, false);
    drive(&mut channel, 100).unwrap();
    refusing(&place, "duty_cycle");
    let fault = drive(&mut channel, 200).unwrap_err();
    assert!(fault.reason.contains("duty_cycle"), "{}", fault.reason);
    fs::remove_dir(place.join("duty_cycle")).unwrap();
    fs::write(place.join("duty_cycle"), "0").unwrap();
    fs::write(place.join("enable"), "0").unwrap();
    drive(&mut channel, 200).unwrap();
    assert_eq!(read(&place), ["40000", "8000", "normal", "1"]);
}

#[test]
fn a_channel_that_udev_does_not_hand_over_is_waited_for_once_and_not_for_ever() {
    let error = || io::Error::from(ErrorKind::PermissionDenied);
    assert!(fault("write", Path::new("x"), &error()).reason.contains("adduser twind gpio"));

    let (_root, place) = exported(40_000, 0, "normal", 1);
    refuse(&place.join("duty_cycle"));
    let mut channel = channel(&place, 25_000, false);
    let mut patience = PATIENCE_STEP * 3;
    channel.wait(&mut patience);
    assert_eq!(patience, Duration::ZERO);
    channel.wait(&mut patience);
    assert!(drive(&mut channel, 1).unwrap_err().reason.contains("Permission denied"));
}

#[test]
fn a_channel_is_waited_for_until_udev_has_handed_over_its_last_file() {
    let (_root, place) = exported(40_000, 0, "normal", 1);
    let mut channel = channel(&place, 25_000, false);
    let long = Duration::from_secs(600);
    let mut patience = long;
    channel.wait(&mut patience);
    assert_eq!(patience, long, "whoever may write it already does not wait");

    refuse(&place.join("enable"));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(PATIENCE_STEP);
            fs::write(place.join("new"), "1\n").unwrap();
            fs::rename(place.join("new"), place.join("enable")).unwrap();
        });
        channel.wait(&mut patience);
    });
    assert!(!patience.is_zero());
    drive(&mut channel, 1000).unwrap();
}

#[test]
fn a_number_that_the_chip_does_not_have_is_told_with_those_it_has() {
    let root = sys(&[(0, "fe20c000.pwm", 2)]);
    let fault = Channel::open(&root.path().join(CLASS).join("pwmchip0"), 2, 100, false).unwrap_err();
    assert!(fault.reason.contains("channels 0 to 1, not 2"), "{}", fault.reason);
}

#[test]
fn a_chip_is_named_by_number_or_device_or_is_the_only_one() {
    let root = sys(&[(0, "fe20c000.pwm", 2), (10, "pca9685", 16), (2, "fe20c800.pwm", 2)]);
    let named = |wanted| chip_named(root.path(), wanted);
    let path = |number: u32| root.path().join(format!("{CLASS}/pwmchip{number}"));
    assert_eq!(named(Some("pwmchip2")).unwrap(), path(2));
    assert_eq!(named(Some("pca9685")).unwrap(), path(10));
    let several = named(None).unwrap_err().reason;
    assert!(
        several.contains("\"pwmchip0\" (fe20c000.pwm), \"pwmchip2\" (fe20c800.pwm), \"pwmchip10\" (pca9685)"),
        "{several}"
    );
    assert!(named(Some("pwmchip1")).unwrap_err().reason.contains("there is no PWM chip \"pwmchip1\""));

    let one = sys(&[(3, "1f00098000.pwm", 4)]);
    assert_eq!(chip_named(one.path(), None).unwrap(), one.path().join(format!("{CLASS}/pwmchip3")));
    let none = tempfile::tempdir().unwrap();
    assert!(chip_named(none.path(), None).unwrap_err().reason.contains("no PWM chip"));
}

#[test]
fn looking_says_what_a_channel_is_and_exports_nothing() {
    let (root, place) = exported(40_000, 10_000, "normal", 1);
    let chip = root.path().join(CLASS).join("pwmchip0");
    assert!(look(&chip, 0).unwrap().contains("channel 0: on, 10000 of 40000 ns"));
    assert!(look(&chip, 1).unwrap().contains("channel 1: free"));
    assert_eq!(fs::read_to_string(chip.join("export")).unwrap(), "");
    assert_eq!(read(&place), ["40000", "10000", "normal", "1"]);
    assert!(look(&chip, 7).is_err());
}

use super::*;
use crate::board::{BoardSettings, Line, PinSettings};
use crate::control::{Actuation, Cause, OutputId};
use crate::units::{BootTime, Permille};

fn settings(chip: &str) -> BoardSettings {
    let line = Some(Line::Pin { pin: 17, chip: Some(chip.to_owned()) });
    let fan = PinSettings { name: "fan".into(), line, active_low: false, tach: None };
    BoardSettings { driver: &DRIVER, folder: PathBuf::new(), outputs: vec![fan] }
}

#[test]
fn a_chip_that_is_not_there_is_a_fault_of_the_output_at_its_drive_and_not_of_the_board() {
    let settings = settings("gpiochip4711");
    let mut board = crate::board::open(&settings).unwrap();
    let (drive, at) = (Permille::FULL, BootTime::ZERO);
    let order = Actuation { output: OutputId(0), drive, cause: Cause::Start, at };
    let fault = board.drive(&order, "").unwrap_err();
    assert!(fault.reason.contains("there is no GPIO chip \"gpiochip4711\""), "{}", fault.reason);
    assert!(board.take_over(OutputId(0)).is_err());
    assert!(board.take_over(OutputId(1)).is_err());
    let looked = crate::board::look(&settings).unwrap();
    assert!(looked[0].as_ref().unwrap_err().reason.contains("no GPIO chip"));
}

#[test]
fn a_label_that_no_chip_has_and_a_file_that_is_no_chip_are_told() {
    assert!(chip_path(Some("pinctrl-nowhere")).unwrap_err().reason.contains("\"pinctrl-nowhere\""));
    assert!(chip_path(None).is_err());
    let null = chip_path(Some("/dev/null")).unwrap();
    let fault = look(&null, 0).unwrap_err();
    assert!(fault.reason.contains("is not a GPIO character device"), "{}", fault.reason);
    assert!(Edges::open(&null, 0).is_err());
}

#[test]
fn faults_say_what_to_do() {
    let path = Path::new("/dev/gpiochip0");
    let of = |errno: rustix::io::Errno| {
        let error = Error::from(std::io::Error::from_raw_os_error(errno.raw_os_error()));
        fault(path, 17, &error).reason
    };
    assert!(of(rustix::io::Errno::ACCESS).contains("adduser twind gpio"));
    assert!(of(rustix::io::Errno::PERM).contains("DeviceAllow=char-gpiochip rw"));
    let ours = in_use(path, 17, "twind").reason;
    assert!(ours.contains("a running daemon"), "{ours}");
    let theirs = in_use(path, 17, "spi0 CS0").reason;
    assert!(theirs.contains("\"spi0 CS0\"") && theirs.contains("config.txt"), "{theirs}");
    assert!(out_of_range(path, 60, 54).reason.contains("lines 0 to 53, not 60"));
}

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

use super::*;

#[test]
fn a_label_that_no_chip_has_and_a_file_that_is_no_chip_are_told() {
    assert!(chip_path(Some("pinctrl-nowhere")).unwrap_err().reason.contains("\"pinctrl-nowhere\""));
    assert!(chip_path(None).is_err_and(|fault| fault.is_missing));
    let null = chip_path(Some("/dev/null")).unwrap();
    let fault = look(&null, 0).unwrap_err();
    assert!(fault.reason.contains("is not a GPIO character device"), "{}", fault.reason);
    assert!(!fault.is_missing);
    assert!(Edges::open(&null, 0).is_err());
    let wanted = Wanted { active_low: true, pull: Pull::Up, debounce: Duration::from_millis(50) };
    let fault = Input::open(&null, 0, &wanted).err().unwrap();
    assert!(!fault.is_missing && fault.reason.contains("is not a GPIO"), "{}", fault.reason);
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
    let beyond = out_of_range(path, 60, 54);
    assert!(beyond.is_missing && beyond.reason.contains("lines 0 to 53, not 60"), "{}", beyond.reason);
}

#[test]
fn every_chip_that_the_kernel_shows_is_told_in_order_and_why_it_cannot_be_opened() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(survey(root.path()), []);
    for name in ["gpiochip10", "gpiochip2", "gpiochipx", "other"] {
        std::fs::create_dir_all(root.path().join("sys/bus/gpio/devices").join(name)).unwrap();
    }
    std::fs::create_dir(root.path().join("dev")).unwrap();
    std::fs::write(root.path().join("dev/gpiochip2"), "").unwrap();
    let found = survey(root.path());
    let [(second, no_device), (tenth, missing)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((second.as_str(), tenth.as_str()), ("gpiochip2", "gpiochip10"));
    let fault = no_device.as_ref().unwrap_err();
    assert!(!fault.is_missing && fault.reason.contains("gpiochip2 cannot be opened"), "{}", fault.reason);
    assert!(missing.as_ref().is_err_and(|fault| fault.is_missing));
}

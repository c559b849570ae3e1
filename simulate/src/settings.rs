//! What an office is like: every setting with its default and range.

use std::fmt::Write;

use ccbs_engine::{Drive, Limits, Profile};
use thiserror::Error;

/// A setting that is not one, or out of range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}: {message}")]
pub struct SettingError {
    /// Which.
    pub name: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl SettingError {
    fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into() }
    }
}

macro_rules! numbers {
    ($($name:ident: $ty:ty = $default:literal, $min:literal, $max:literal, $what:literal;)+) => {
        /// An office, its people, and the service that they have.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = $what] pub $name: $ty,)+
            /// Calls through the day as in an office; else at one rate round the clock.
            pub office_day: bool,
            /// The service of every subscriber as orderer.
            pub profile: Profile,
            /// Limits of the engine.
            pub limits: Limits,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $($name: $default,)+
                    office_day: true,
                    profile: Profile::autodial(),
                    limits: Limits::default(),
                }
            }
        }

        /// The office's own settings: name, default, least, most, what it is.
        const OFFICE: &[(&str, &str, &str, &str, &str)] =
            &[$((stringify!($name), stringify!($default), stringify!($min), stringify!($max), $what),)+];

        impl Settings {
            fn set_number(&mut self, name: &str, value: &str) -> Option<Result<(), SettingError>> {
                match name {
                    $(stringify!($name) => Some(parse(name, value, &$min, &$max).map(|parsed| self.$name = parsed)),)+
                    _ => None,
                }
            }

            fn numbers(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.to_string()),)+]
            }
        }
    };
}

numbers! {
    seed: u64 = 1, 0, 18_446_744_073_709_551_615, "Seed of everything random; the same seed gives the same report.";
    calls: u64 = 100_000, 1, 1_000_000_000, "Calls that people place, redials included.";
    subscribers: u32 = 1_000, 2, 1_000_000, "Subscribers of the switch.";
    external_numbers: u32 = 500, 0, 100_000, "Numbers behind the trunk; their state is unknown to the switch.";
    external_share: f64 = 0.2, 0.0, 0.9, "Share of calls that come from the trunk, and of the others that go there.";
    calls_per_hour: f64 = 4.0, 0.01, 1_000.0, "Calls of a subscriber in the busiest hour.";
    hold_mean_s: f64 = 180.0, 1.0, 86_400.0, "Mean of the log-normal holding time (s).";
    hold_sigma: f64 = 1.0, 0.0, 3.0, "Standard deviation of the logarithm of the holding time.";
    popular_lines: f64 = 0.02, 0.0, 1.0, "Share of subscribers who are called more than others.";
    popular_calls: f64 = 0.2, 0.0, 1.0, "Share of calls that go to them.";
    answer_share: f64 = 0.85, 0.0, 1.0, "Share of calls that an idle callee answers, recalls too.";
    answer_mean_s: f64 = 7.0, 0.1, 60.0, "Mean time to answer (s), exponential.";
    order_share: f64 = 0.5, 0.0, 1.0, "Share of subscribers who order a callback when they hear busy.";
    order_no_reply_share: f64 = 0.2, 0.0, 1.0, "Share of their calls without answer, or to a phone not logged in, that they order (where the profile offers it).";
    recall_answer_share: f64 = 0.9, 0.0, 1.0, "Share of recalls that the orderer answers.";
    recall_decline_share: f64 = 0.02, 0.0, 1.0, "Share of recalls that the orderer declines.";
    prompt_hangup_share: f64 = 0.02, 0.0, 1.0, "Share of prompts in which the orderer hangs up.";
    ringback_hangup_share: f64 = 0.02, 0.0, 1.0, "Share of recalls in which the orderer hangs up while the callee rings.";
    callee_decline_share: f64 = 0.01, 0.0, 1.0, "Share of recalls that the callee declines.";
    cancel_share: f64 = 0.03, 0.0, 1.0, "Share of orders that the orderer cancels within ten minutes.";
    redial_share: f64 = 0.3, 0.0, 1.0, "Share of failed calls that are dialled again by hand.";
    redial_mean_s: f64 = 180.0, 1.0, 86_400.0, "Mean time until then (s), exponential.";
    log_offs_per_day: f64 = 0.2, 0.0, 100.0, "How often a day a subscriber's phone loses its registration.";
    log_off_mean_s: f64 = 1_800.0, 1.0, 86_400.0, "Mean time until it registers again (s), exponential.";
    fault_rate: f64 = 0.0, 0.0, 1.0, "Share of outcomes that the switch gets wrong (never, late, twice, out of order …); other faults in proportion.";
    check_every: u64 = 100_000, 1, 1_000_000_000, "Inputs of the engine between two checks of its whole state.";
}

/// Subscribers and external numbers of an office.
const MOST_LINES: u32 = 1_000_000;

fn parse<T>(name: &str, value: &str, min: &T, max: &T) -> Result<T, SettingError>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match value.parse::<T>() {
        Ok(parsed) if parsed >= *min && parsed <= *max => Ok(parsed),
        Ok(_) => Err(SettingError::new(name, format!("{value} is outside {min}–{max}"))),
        Err(_) => Err(SettingError::new(name, format!("'{value}' is no number of {min}–{max}"))),
    }
}

fn flag(name: &str, value: &str) -> Result<bool, SettingError> {
    match value {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(SettingError::new(name, format!("'{value}' is not one of true, false"))),
    }
}

impl Settings {
    /// The settings of names and values; `profile` counts before the numbers of the profile, wherever it stands.
    pub fn of<'a>(given: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SettingError> {
        Self::default().with(given)
    }

    /// These settings with others in place of some. A new `profile` begins with its own defaults.
    pub fn with<'a>(mut self, given: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SettingError> {
        let given: Vec<_> = given.into_iter().collect();
        for (name, value) in given.iter().filter(|(name, _)| *name == "profile") {
            self.profile = match *value {
                "autodial" => Profile::autodial(),
                "ccbs" => Profile::ccbs(),
                _ => return Err(SettingError::new(name, format!("'{value}' is not one of autodial, ccbs"))),
            };
        }
        for (name, value) in given.into_iter().filter(|(name, _)| *name != "profile") {
            self.set(name, value)?;
        }
        self.profile.check().map_err(|error| out_of_range(&error))?;
        self.limits.check().map_err(|error| out_of_range(&error))?;
        if self.recall_answer_share + self.recall_decline_share > 1.0 {
            return Err(SettingError::new("recall_decline_share", "with recall_answer_share it is above 1"));
        }
        if self.subscribers + self.external_numbers > MOST_LINES {
            let (one, other) = (self.subscribers, self.external_numbers);
            let most = MOST_LINES - other;
            return Err(SettingError::new(
                "subscribers",
                format!(
                    "{one} and external_numbers {other} are above {MOST_LINES} together; set external_numbers to 0 or \
                     subscribers to at most {most}"
                ),
            ));
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        if let Some(done) = self.set_number(name, value) {
            return done;
        }
        if name == "office_day" {
            self.office_day = flag(name, value)?;
            return Ok(());
        }
        if let Some(number) = number_of(&mut self.profile, &mut self.limits, name) {
            // The engine checks the range when all is set: one number may bound another.
            let Ok(parsed) = value.parse() else { return Err(self.no_number(name, value)) };
            *number = parsed;
            return Ok(());
        }
        if let Some(switch) = switch_of(&mut self.profile, name) {
            *switch = flag(name, value)?;
            return Ok(());
        }
        let mut other = self.other_profile();
        if number_of(&mut other, &mut self.limits, name).is_some() || switch_of(&mut other, name).is_some() {
            let other = profile_name(&other);
            return Err(SettingError::new(name, format!("it belongs to profile {other}: add profile={other}")));
        }
        let mut known = String::new();
        for (name, _) in self.all() {
            let _ = write!(known, " {name}");
        }
        Err(SettingError::new(name, format!("no such setting of this profile; there are{known}")))
    }

    fn other_profile(&self) -> Profile {
        match self.profile.drive {
            Drive::Timer { .. } => Profile::ccbs(),
            Drive::Release { .. } => Profile::autodial(),
        }
    }

    /// What is wrong with a number of the profile or the engine that is none.
    fn no_number(&self, name: &str, value: &str) -> SettingError {
        let (min, max) = range(&self.profile, name).unwrap_or((0, u32::MAX.into()));
        let is_whole =
            !value.is_empty() && value.trim_start_matches(['-', '+']).bytes().all(|octet| octet.is_ascii_digit());
        SettingError::new(
            name,
            if is_whole {
                format!("{value} is outside {min}–{max}")
            } else {
                format!("'{value}' is no number of {min}–{max}")
            },
        )
    }

    /// What is listed for people: the office's own settings, those of both profiles, and the engine's limits.
    pub fn listed() -> Vec<Listed> {
        let mut listed: Vec<Listed> = OFFICE
            .iter()
            .map(|&(name, default, least, most, what)| Listed::new(name, default, least, most, what))
            .collect();
        let day = "Calls through the day as in an office; else at one rate round the clock.";
        listed.push(Listed::new("office_day", "true", "false", "true", day));
        listed.push(Listed::new(
            "profile",
            "autodial",
            "autodial",
            "ccbs",
            "The service of every subscriber as orderer.",
        ));
        let all = |profile| Self { profile, ..Self::default() }.all();
        let (timer, release) = (Profile::autodial(), Profile::ccbs());
        let (of_timer, of_release) = (all(timer.clone()), all(release.clone()));
        for name in NUMBERS.iter().chain(SWITCHES) {
            let default_in = |settings: &[(&str, String)]| {
                settings.iter().find(|(found, _)| found == name).map(|(_, default)| default.clone())
            };
            let (profile, default, what) = match (default_in(&of_timer), default_in(&of_release)) {
                (Some(default), Some(_)) if LIMITS.contains(name) => (&timer, default, "Limit of the engine."),
                (Some(default), Some(_)) => (&timer, default, "Of both profiles."),
                (Some(default), None) => (&timer, default, "Of profile autodial."),
                (None, default) => (&release, default.unwrap_or_default(), "Of profile ccbs."),
            };
            let (least, most) = range(profile, name)
                .map_or(("false".to_owned(), "true".to_owned()), |(least, most)| (least.to_string(), most.to_string()));
            listed.push(Listed::new(name, &default, &least, &most, what));
        }
        listed
    }

    /// Every setting by name, as text.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let mut all = self.numbers();
        all.push(("office_day", self.office_day.to_string()));
        let (mut profile, mut limits) = (self.profile.clone(), self.limits.clone());
        all.push(("profile", profile_name(&profile).to_owned()));
        for &name in NUMBERS {
            if let Some(number) = number_of(&mut profile, &mut limits, name) {
                all.push((name, number.to_string()));
            }
        }
        for &name in SWITCHES {
            if let Some(switch) = switch_of(&mut profile, name) {
                all.push((name, switch.to_string()));
            }
        }
        all
    }
}

/// A setting as it is listed for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is unless given.
    pub default: String,
    /// The least, or the first of its words.
    pub least: String,
    /// The most, or the last of its words.
    pub most: String,
    /// What it is.
    pub what: String,
}

impl Listed {
    fn new(name: &str, default: &str, least: &str, most: &str, what: &str) -> Self {
        let [name, default, least, most, what] = [name, default, least, most, what].map(str::to_owned);
        Self { name, default, least, most, what }
    }
}

/// The range of a number of the profile or of the engine, as the engine itself says it of one that is too large.
fn range(profile: &Profile, name: &str) -> Option<(u64, u64)> {
    let (mut profile, mut limits) = match profile.drive {
        Drive::Timer { .. } => (Profile::autodial(), Limits::default()),
        Drive::Release { .. } => (Profile::ccbs(), Limits::default()),
    };
    *number_of(&mut profile, &mut limits, name)? = u32::MAX;
    let told = profile.check().and_then(|()| limits.check()).err()?;
    (told.field == name).then_some((told.min, told.max))
}

fn out_of_range(error: &ccbs_engine::OutOfRange) -> SettingError {
    SettingError::new(error.field, format!("{} is outside {}–{}", error.value, error.min, error.max))
}

pub(crate) fn profile_name(profile: &Profile) -> &'static str {
    match profile.drive {
        Drive::Timer { .. } => "autodial",
        Drive::Release { .. } => "ccbs",
    }
}

const NUMBERS: &[&str] = &[
    "cb_timer_internal_s",
    "cb_timer_external_s",
    "attempts",
    "callee_idle_guard_s",
    "poll_first_s",
    "poll_longest_s",
    "service_duration_nr_s",
    "service_duration_nl_s",
    "restart_grace_s",
    "offer_window_s",
    "caller_ring_s",
    "callee_ring_s",
    "caller_free_guard_s",
    "service_duration_s",
    "orders_per_caller",
    "waiting_per_callee",
    "orders_total",
    "recalls_at_once",
    "recalls_per_second",
    "offers_per_caller",
    "unconfigured_lines",
];

const LIMITS: &[&str] =
    &["orders_total", "recalls_at_once", "recalls_per_second", "offers_per_caller", "unconfigured_lines"];

const SWITCHES: &[&str] = &["retention", "callee_no_answer_to_nr", "offer_nr", "offer_nl"];

fn number_of<'a>(profile: &'a mut Profile, limits: &'a mut Limits, name: &str) -> Option<&'a mut u32> {
    Some(match (name, &mut profile.drive) {
        ("cb_timer_internal_s", Drive::Timer { cb_timer_internal_s, .. }) => cb_timer_internal_s,
        ("cb_timer_external_s", Drive::Timer { cb_timer_external_s, .. }) => cb_timer_external_s,
        ("attempts", Drive::Timer { attempts, .. }) => attempts,
        ("callee_idle_guard_s", Drive::Release { callee_idle_guard_s, .. }) => callee_idle_guard_s,
        ("poll_first_s", Drive::Release { poll_first_s, .. }) => poll_first_s,
        ("poll_longest_s", Drive::Release { poll_longest_s, .. }) => poll_longest_s,
        ("service_duration_nr_s", Drive::Release { service_duration_nr_s, .. }) => service_duration_nr_s,
        ("service_duration_nl_s", Drive::Release { service_duration_nl_s, .. }) => service_duration_nl_s,
        ("restart_grace_s", Drive::Release { restart_grace_s, .. }) => restart_grace_s,
        ("offer_window_s", _) => &mut profile.offer_window_s,
        ("caller_ring_s", _) => &mut profile.caller_ring_s,
        ("callee_ring_s", _) => &mut profile.callee_ring_s,
        ("caller_free_guard_s", _) => &mut profile.caller_free_guard_s,
        ("service_duration_s", _) => &mut profile.service_duration_s,
        ("orders_per_caller", _) => &mut profile.orders_per_caller,
        ("waiting_per_callee", _) => &mut profile.waiting_per_callee,
        ("orders_total", _) => &mut limits.orders_total,
        ("recalls_at_once", _) => &mut limits.recalls_at_once,
        ("recalls_per_second", _) => &mut limits.recalls_per_second,
        ("offers_per_caller", _) => &mut limits.offers_per_caller,
        ("unconfigured_lines", _) => &mut limits.unconfigured_lines,
        _ => return None,
    })
}

fn switch_of<'a>(profile: &'a mut Profile, name: &str) -> Option<&'a mut bool> {
    let Drive::Release { retention, callee_no_answer_to_nr, offer_nr, offer_nl, .. } = &mut profile.drive else {
        return None;
    };
    Some(match name {
        "retention" => retention,
        "callee_no_answer_to_nr" => callee_no_answer_to_nr,
        "offer_nr" => offer_nr,
        "offer_nl" => offer_nl,
        _ => return None,
    })
}

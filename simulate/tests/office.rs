//! The simulated office: a million calls, no rule broken, and the same report for the same seed.

use std::fmt::Write;

use ccbs_simulate::{Report, Settings, SimulationError, run};

fn office(given: &[(&str, &str)]) -> Report {
    let settings = Settings::of(given.iter().copied()).unwrap();
    run(&settings, || true).unwrap_or_else(|error| {
        let mut command = "cargo run --release -p ccbs-simulate --example office --".to_owned();
        for (name, value) in settings.all() {
            let _ = write!(command, " {name}={value}");
        }
        panic!("{error}\nrepeat with: {command}")
    })
}

/// Everything that was accepted ended, and what the engine counted agrees with what was seen.
fn agrees(report: &Report) {
    let ended: u64 = report.orders.ended.values().sum();
    assert_eq!(ended, report.orders.accepted);
    let counter = |name| report.counters.get(name).copied().unwrap_or(0);
    assert_eq!(counter("orders_accepted"), report.orders.accepted);
    assert_eq!(counter("orders_completed"), report.orders.ended["completed"]);
    assert_eq!(counter("attempts_begun"), report.attempts.begun);
    assert_eq!(counter("orders_confirmed"), report.orders.confirmed);
    assert_eq!(counter("attempts_failed"), report.attempts.failed.values().sum::<u64>());
}

#[test]
fn a_million_calls_break_no_rule() {
    let report = office(&[("calls", "1000000"), ("fault_rate", "0.02")]);
    agrees(&report);
    assert_eq!(report.calls.placed, 1_000_000);
    assert!(report.orders.accepted > 50_000 && report.checks.whole_states > 50);
    println!("{}", report.to_json());
}

#[test]
fn a_switch_that_is_wrong_every_third_time_breaks_no_rule() {
    for profile in ["autodial", "ccbs"] {
        for seed in ["1", "2", "3"] {
            let faulty = [("calls", "100000"), ("fault_rate", "0.3"), ("profile", profile), ("seed", seed)];
            let report = office(&[&faulty[..], &[("check_every", "5000")]].concat());
            agrees(&report);
            assert_eq!(report.faults.len(), 15, "every kind of fault came up: {:?}", report.faults);
            for counter in ["outcomes_late", "outcomes_double", "outcomes_out_of_order", "outcomes_for_unknown_recall"]
            {
                assert!(report.counters.contains_key(counter), "{counter} in {:?}", report.counters);
            }
            for counter in ["overdue_ring", "overdue_play", "overdue_connect", "overdue_release"] {
                assert!(report.counters.contains_key(counter), "{counter} in {:?}", report.counters);
            }
        }
    }
}

#[test]
fn tight_limits_hold() {
    let report = office(&[
        ("calls", "100000"),
        ("subscribers", "3000"),
        ("calls_per_hour", "12"),
        ("orders_total", "200"),
        ("recalls_at_once", "3"),
        ("recalls_per_second", "1"),
        ("orders_per_caller", "2"),
        ("waiting_per_callee", "2"),
        ("check_every", "5000"),
    ]);
    agrees(&report);
    for denial in ["overload", "callee-limit"] {
        assert!(report.orders.denied[denial] > 0, "{:?}", report.orders.denied);
    }
    assert!(report.counters["turns_delayed_by_limit"] > 0);
}

#[test]
fn the_same_seed_gives_the_same_report_byte_for_byte() {
    for profile in ["autodial", "ccbs"] {
        let given = [("calls", "20000"), ("fault_rate", "0.05"), ("profile", profile)];
        let first = office(&given).to_json();
        assert_eq!(first, office(&given).to_json());
        assert_ne!(first, office(&[&given[..], &[("seed", "2")]].concat()).to_json());
    }
}

#[test]
fn busy_calls_follow_the_traffic() {
    let report = office(&[("calls", "5000"), ("order_share", "0"), ("subscribers", "200")]);
    let calls = &report.calls;
    assert_eq!(report.orders.accepted, 0);
    assert_eq!(calls.answered + calls.busy + calls.no_reply + calls.not_logged_in, calls.placed);
    let percent = u32::try_from(100 * calls.busy / calls.placed).map(f64::from).unwrap();
    let traffic = 100.0 * report.traffic.busy_hour_erlang_per_subscriber;
    assert!(percent > traffic / 3.0 && percent < traffic * 3.0, "{percent} % busy, {traffic} % in use");
    // The same on every machine: no draw depends on the platform's mathematics.
    let known = (calls.answered, calls.busy, calls.no_reply, calls.not_logged_in);
    assert_eq!(known, (3_213, 1_163, 614, 10));
}

#[test]
fn settings_do_what_they_say() {
    let base = [("calls", "30000")];
    let of = |other: &[(&str, &str)]| office(&[&base[..], other].concat());
    let plain = of(&[]);
    assert!(of(&[("attempts", "10")]).orders.success_percent > plain.orders.success_percent);
    assert!(of(&[("cb_timer_internal_s", "60")]).waiting_s.p50 > plain.waiting_s.p50);
    assert!(of(&[("hold_mean_s", "60")]).traffic.busy_hour_erlang < plain.traffic.busy_hour_erlang);
    assert!(of(&[("recall_answer_share", "0.3")]).orders.success_percent < plain.orders.success_percent);
    assert!(of(&[("profile", "ccbs")]).attempts.per_success < plain.attempts.per_success);
    let never = of(&[("recall_answer_share", "0"), ("recall_decline_share", "0")]);
    assert_eq!(never.orders.ended["completed"], 0);
}

#[test]
fn a_comparison_gets_the_same_calls() {
    let timer = |seconds| office(&[("calls", "20000"), ("cb_timer_internal_s", seconds), ("redial_share", "0")]);
    let (ten, twenty) = (timer("10"), timer("20"));
    let (one, other) = (ten.calls.placed + ten.calls.not_placed, twenty.calls.placed + twenty.calls.not_placed);
    assert!(one.abs_diff(other) * 50 < one, "{one} and {other} calls thought of");
}

#[test]
fn a_wrong_setting_is_named() {
    for (given, field, words) in [
        (("attempts", "0"), "attempts", "outside 1–20"),
        (("attempts", "many"), "attempts", "'many' is no number"),
        (("answer_share", "1.5"), "answer_share", "outside 0–1"),
        (("answer_share", "NaN"), "answer_share", ""),
        (("profile", "other"), "profile", "not one of autodial, ccbs"),
        (("attempts", "-1"), "attempts", "-1 is outside 1–20"),
        (("attempts", "1099511627776"), "attempts", "1099511627776 is outside 1–20"),
        (("attempts", ""), "attempts", "'' is no number of 1–20"),
        (("orders_total", "1.5"), "orders_total", "'1.5' is no number of 1–10000000"),
        (("unconfigured_lines", "0"), "unconfigured_lines", "0 is outside 1–10000000"),
        (("retention", "true"), "retention", "it belongs to profile ccbs: add profile=ccbs"),
        (("poll_first_s", "60"), "poll_first_s", "it belongs to profile ccbs: add profile=ccbs"),
        (("nothing", "1"), "nothing", "no such setting of this profile; there are seed"),
        (("subscribers", "1000000"), "subscribers", "set external_numbers to 0 or subscribers to at most 999500"),
        (("office_day", "perhaps"), "office_day", "not one of true, false"),
        (("recalls_per_second", "0"), "recalls_per_second", "outside 1–10000"),
        (("recall_decline_share", "0.5"), "recall_decline_share", "above 1"),
    ] {
        let error = Settings::of([given]).unwrap_err();
        assert_eq!(error.name, field);
        assert!(error.message.contains(words), "{error}");
    }
    assert!(Settings::of([("retention", "false"), ("profile", "ccbs")]).is_ok(), "the profile counts first");
    let short = [("profile", "ccbs"), ("poll_longest_s", "30"), ("poll_first_s", "20")];
    assert!(Settings::of(short).is_ok(), "a number that bounds another may come after it");
    let error = Settings::of([("profile", "ccbs"), ("attempts", "5")]).unwrap_err();
    assert_eq!(error.to_string(), "attempts: it belongs to profile autodial: add profile=autodial");
}

#[test]
fn every_setting_is_listed_with_a_default_and_a_range_that_are_taken() {
    let listed = Settings::listed();
    for profile in ["autodial", "ccbs"] {
        for (name, default) in Settings::of([("profile", profile)]).unwrap().all() {
            let found =
                listed.iter().find(|found| found.name == name).unwrap_or_else(|| panic!("{name} is not listed"));
            if name != "profile" {
                let value = |text: &str| text.parse::<f64>().ok();
                let same = found.default == default || value(&found.default.replace('_', "")) == value(&default);
                assert!(same, "{name}: {} and {default}", found.default);
            }
            // What another setting bounds besides is left to it.
            if ["subscribers", "recall_answer_share", "recall_decline_share", "poll_first_s"].contains(&name) {
                continue;
            }
            for bound in [&found.least, &found.most] {
                let bound = bound.replace('_', "");
                assert!(Settings::of([("profile", profile), (name, bound.as_str())]).is_ok(), "{name}={bound}");
            }
        }
    }
}

#[test]
fn it_stops_when_told_to() {
    let mut asked = 0;
    let settings = Settings::of([("calls", "1000000000")]).unwrap();
    let stopped = run(&settings, || {
        asked += 1;
        asked < 3
    });
    assert_eq!(stopped, Err(SimulationError::Stopped));
}

/// Forty offices of all sorts; minutes, so only in the long form.
#[test]
#[ignore = "long"]
fn offices_of_all_sorts_break_no_rule() {
    for seed in 0..40_u64 {
        let pick = |values: &[&'static str], step: u64| values[usize::try_from(seed / step).unwrap() % values.len()];
        let seed = seed.to_string();
        let report = office(&[
            ("seed", &seed),
            ("calls", "500000"),
            ("profile", pick(&["autodial", "ccbs"], 1)),
            ("fault_rate", pick(&["0", "0.01", "0.1", "0.6"], 2)),
            ("subscribers", pick(&["20", "300", "5000"], 3)),
            ("calls_per_hour", pick(&["2", "8", "20"], 4)),
            ("waiting_per_callee", pick(&["1", "5", "30"], 5)),
            ("recalls_per_second", pick(&["100", "1"], 6)),
            ("recalls_at_once", pick(&["500", "2"], 7)),
            ("caller_free_guard_s", pick(&["2", "0", "60"], 3)),
            ("order_share", pick(&["0.5", "1"], 2)),
            ("check_every", "20000"),
        ]);
        agrees(&report);
    }
}

//! The whole life of timers, ours beside its peers, by criterion: `cargo bench --bench timers`.

use ccbs_engine_bench::timers::{HashWheel, Heap, Load, Queue, Timers, Wheel, round};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn life(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer-life");
    group.sample_size(10);
    for count in [10_000, 100_000, 1_000_000] {
        let load = Load::new(count);
        group.throughput(Throughput::Elements(count as u64));
        candidate(&mut group, "ccbs-timers", Wheel::new(false), &load);
        candidate(&mut group, "BinaryHeap", Heap::default(), &load);
        candidate(&mut group, "DelayQueue", Queue::default(), &load);
        candidate(&mut group, "hierarchical_hash_wheel_timer", HashWheel::default(), &load);
    }
    group.finish();
}

/// Rounds of the load; lining up the handles counts too, which the figures of the page leave out.
fn candidate(group: &mut BenchmarkGroup<WallTime>, name: &str, mut timers: impl Timers, load: &Load) {
    timers.begin();
    group.bench_function(BenchmarkId::new(name, load.size()), |bencher| bencher.iter(|| round(&mut timers, load)));
}

criterion_group!(benches, life);
criterion_main!(benches);

//! The whole life of timers, ours beside its peers, by criterion: `cargo bench --bench timers`.

use ccbs_engine_bench::timers::{Load, binary_heap, delay_queue, hash_wheel, wheel};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A way of keeping timers, by name.
type Candidate = (&'static str, fn(&Load) -> usize);

const CANDIDATES: [Candidate; 4] = [
    ("ccbs-timers", wheel),
    ("BinaryHeap", binary_heap),
    ("DelayQueue", delay_queue),
    ("hierarchical_hash_wheel_timer", hash_wheel),
];

fn life(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer-life");
    group.sample_size(10);
    for count in [10_000, 100_000, 1_000_000] {
        let load = Load::new(count);
        group.throughput(Throughput::Elements(count as u64));
        for (name, candidate) in CANDIDATES {
            group.bench_with_input(BenchmarkId::new(name, count), &load, |bencher, load| {
                bencher.iter(|| candidate(load));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, life);
criterion_main!(benches);

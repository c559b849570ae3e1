//! Reports about lines and whole lives of orders, by criterion: `cargo bench --bench engine`.

use ccbs_engine::Profile;
use ccbs_engine_bench::clock::Numbers;
use ccbs_engine_bench::engine::World;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn line_events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("line-event");
    group.sample_size(10);
    for lines in [10_000, 1_000_000_u32] {
        let mut world = World::new(lines, None);
        let order = Numbers::new(3).shuffled(lines as usize);
        group.throughput(Throughput::Elements(2 * u64::from(lines)));
        group.bench_with_input(BenchmarkId::new("random", lines), &order, |bencher, order| {
            bencher.iter(|| world.line_events(order));
        });
    }
    group.finish();
}

fn lives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("order-life");
    for at_once in [1, 1_000] {
        let mut world = World::new(20_000, Some(&Profile::ccbs()));
        let mut numbers = Numbers::new(5);
        group.throughput(Throughput::Elements(at_once as u64));
        group.bench_function(BenchmarkId::new("at-once", at_once), |bencher| {
            bencher.iter(|| assert_eq!(world.lives(at_once, 1, &mut numbers), at_once));
        });
    }
    group.finish();
}

criterion_group!(benches, line_events, lives);
criterion_main!(benches);

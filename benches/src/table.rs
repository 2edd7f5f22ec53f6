//! The table, printed row by row as Markdown.

pub struct Table;

impl Table {
    pub fn begin() -> Self {
        println!("| measure | hello /s | cloud /s | ratio | CPU hello → cloud, µs | p50 · p99, ms | must reach |");
        println!("|---|---|---|---|---|---|---|");
        Table
    }

    /// A row of a load compared with the minimal server.
    pub fn compared(&self, name: &str, row: &Compared, must: &str) {
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.0} → {:.0} | {:.2} · {:.2} | {must} |",
            row.hello, row.cloud, row.ratio, row.hello_cpu, row.cloud_cpu, row.p50, row.p99
        );
    }

    /// A row of one absolute value.
    pub fn value(&self, name: &str, value: &str, must: &str) {
        println!("| {name} | | {value} | | | | {must} |");
    }
}

/// Medians of the rounds.
pub struct Compared {
    pub hello: f64,
    pub cloud: f64,
    pub ratio: f64,
    /// Microseconds a request of the server's process.
    pub hello_cpu: f64,
    pub cloud_cpu: f64,
    pub p50: f64,
    pub p99: f64,
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

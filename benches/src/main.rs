//! `make bench`: what the cloud does per second, as a share of what a minimal server does.
//!
//! Everything runs on one machine, in one run, interleaved: a short load on the minimal server, the same load on the
//! cloud, three times over; medians of the ratios are what counts. Loads go to loopback only, and each is bounded in
//! time. `benches/README.md` says how to read the table.

mod cloud;
mod curve;
mod hello;
mod http1;
mod load;
mod micro;
mod process;
mod rows;
mod sign;
mod table;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // One worker leaves the other core to the server; the minimal server has as many as the cloud.
    let threads = if words.first() == Some(&"hello") { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    match words.as_slice() {
        ["hello", address] => runtime.block_on(hello::serve(address)),
        ["curve"] => runtime.block_on(curve::all(&["items", "keys", "containers"])),
        ["curve", parts @ ..] => runtime.block_on(curve::all(parts)),
        [] => runtime.block_on(rows::all("")),
        [only] => runtime.block_on(rows::all(only)),
        _ => Err("usage: benches [curve [items] [keys] [containers] | WORD OF A ROW'S NAME]".into()),
    }
}

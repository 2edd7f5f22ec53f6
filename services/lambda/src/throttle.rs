//! How many invocations of each function run now, and whether one more may.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use service::ApiError;

use crate::arn::Reference;
use crate::error::Error;

#[derive(Default)]
pub struct Throttle {
    running: Arc<Mutex<Counts>>,
}

type Counts = HashMap<String, i32>;

/// One running invocation; it ends when this is dropped.
pub struct Running {
    pool: String,
    running: Arc<Mutex<Counts>>,
}

impl Throttle {
    /// Begins an invocation of the function, if its reservation has room, or where it has none, if what the reservations of
    /// the account's other functions leave has.
    pub fn begin(&self, function: &Reference, reserved: Option<i32>, unreserved: i32) -> Result<Running, Error> {
        let (pool, limit, reason) = match reserved {
            Some(limit) => (function.to_string(), limit, "ReservedFunctionConcurrentInvocationLimitExceeded"),
            None => {
                let pool = format!("{}/{}", function.account, function.region);
                (pool, unreserved, "ConcurrentInvocationLimitExceeded")
            }
        };
        let mut running = self.running.lock();
        let count = running.get(&pool).copied().unwrap_or_default();
        if count >= limit {
            let reply = ApiError::new(429, "TooManyRequestsException", "Rate Exceeded.").with("Reason", reason);
            return Err(Error::Reply(Box::new(reply)));
        }
        running.insert(pool.clone(), count + 1);
        Ok(Running { pool, running: self.running.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&self.pool) {
            *count -= 1;
            if *count <= 0 {
                running.remove(&self.pool);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_a_limit_and_the_rest_is_shared() {
        let throttle = Throttle::default();
        let function = |name: &str| Reference::new("us-east-1", "000000000000", name);
        assert!(throttle.begin(&function("f"), Some(0), 900).is_err());
        let one = throttle.begin(&function("f"), Some(1), 900).unwrap_or_else(|_| unreachable!());
        assert!(throttle.begin(&function("f"), Some(1), 900).is_err());
        assert!(throttle.begin(&function("g"), Some(1), 900).is_ok());
        drop(one);
        assert!(throttle.begin(&function("f"), Some(1), 900).is_ok());
        let unreserved: Vec<_> = ["a", "b"].map(|name| throttle.begin(&function(name), None, 2)).into();
        assert!(unreserved.iter().all(Result::is_ok) && throttle.begin(&function("c"), None, 2).is_err());
        drop(unreserved);
        assert!(throttle.running.lock().is_empty());
    }
}

//! How many invocations of each function run now, and whether one more may.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use service::ApiError;

use crate::error::Error;

#[derive(Default)]
pub struct Throttle {
    running: Arc<Mutex<HashMap<String, i32>>>,
}

/// One running invocation; it ends when this is dropped.
pub struct Running {
    arn: String,
    running: Arc<Mutex<HashMap<String, i32>>>,
}

impl Throttle {
    /// Begins an invocation, if the function's reservation has room.
    pub fn begin(&self, arn: &str, reserved: Option<i32>) -> Result<Running, Error> {
        let mut running = self.running.lock();
        let count = running.entry(arn.to_owned()).or_default();
        if reserved.is_some_and(|reserved| *count >= reserved) {
            let reply = ApiError::new(429, "TooManyRequestsException", "Rate Exceeded.")
                .with("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded")
                .with("Type", "User");
            return Err(Error::Reply(Box::new(reply)));
        }
        *count += 1;
        Ok(Running { arn: arn.to_owned(), running: self.running.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&self.arn) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.arn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_a_limit() {
        let throttle = Throttle::default();
        assert!(throttle.begin("f", Some(0)).is_err());
        let one = throttle.begin("f", Some(1)).unwrap_or_else(|_| unreachable!());
        assert!(throttle.begin("f", Some(1)).is_err());
        assert!(throttle.begin("g", Some(1)).is_ok());
        drop(one);
        assert!(throttle.begin("f", Some(1)).is_ok());
        assert!(throttle.running.lock().is_empty());
    }
}

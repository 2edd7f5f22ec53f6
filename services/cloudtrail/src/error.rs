//! The errors of CloudTrail.

service::errors! {
    pub enum Error {
        InvalidTimeRange = 400 "InvalidTimeRangeException",
        InvalidNextToken = 400 "InvalidNextTokenException",
        InvalidLookupAttributes = 400 "InvalidLookupAttributesException",
        InvalidMaxResults = 400 "InvalidMaxResultsException",
    }
}

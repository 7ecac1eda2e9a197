//! Tokens and the secret that they are signed with.

pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes long or more";

/// `{"sub":"ada"}`, signed with the secret by HS256.
pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.\
                                YQN-I3nAEWeZ6C8pUkMmSuHn83Q9Vee0v8-8gnlcuQw";

/// The same with an `exp` in the past.
pub(crate) const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
                                  eyJzdWIiOiJhZGEiLCJleHAiOjE3MDAwMDAwMDB9.\
                                  2thbCVFdkbRfyZxq8cXqODO0vo_E9-8XYkBGNxCFaH8";

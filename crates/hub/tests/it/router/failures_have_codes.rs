use std::io;

use sockeye_hub::router::{Failure, FailureCode, IntoFailure, Router};

use crate::router::connection::connect;

#[derive(Debug)]
enum RenameError {
    Taken,
    Database(io::Error),
}

impl IntoFailure for RenameError {
    fn into_failure(self) -> Failure {
        match self {
            Self::Taken => Failure::new(1001, "taken").with_details(vec!["a", "b"]),
            Self::Database(error) => error.into(),
        }
    }
}

fn secret() -> io::Error {
    io::Error::other("the password is 1234")
}

#[tokio::test]
async fn and_internal_errors_stay_internal() {
    let router = Router::new(())
        .on("question mark", async || {
            Err(secret())?;
            Ok::<_, Failure>(())
        })
        .on("text", async || Err::<(), _>(Failure::internal("the password is 1234")))
        .on("taken", async || Err::<(), _>(RenameError::Taken))
        .on("database", async || Err::<(), _>(RenameError::Database(secret())))
        .on("own", async || Err::<(), _>(Failure::new(FailureCode::from(7), "seven")));
    let mut connected = connect(&router).await;
    for (command, error) in [
        ("question mark", r#"{"code":500,"message":"internal error"}"#),
        ("text", r#"{"code":500,"message":"internal error"}"#),
        ("taken", r#"{"code":1001,"message":"taken","details":["a","b"]}"#),
        ("database", r#"{"code":500,"message":"internal error"}"#),
        ("own", r#"{"code":7,"message":"seven"}"#),
    ] {
        let command = format!(r#"{{"id":1,"cmd":"{command}"}}"#);
        connected.expect(command, format!(r#"{{"id":1,"error":{error}}}"#)).await;
    }
}

#[test]
fn each_constructor_has_its_code() {
    for (failure, code, name) in [
        (Failure::bad_request("x"), 400, "400 (bad request)"),
        (Failure::unauthorized("x"), 401, "401 (unauthorized)"),
        (Failure::forbidden("x"), 403, "403 (forbidden)"),
        (Failure::not_found("x"), 404, "404 (not found)"),
        (Failure::conflict("x"), 409, "409 (conflict)"),
        (Failure::unavailable("x"), 503, "503 (unavailable)"),
        (Failure::new(1001, "x"), 1001, "1001"),
    ] {
        assert_eq!(u16::from(failure.code()), code);
        assert_eq!(failure.code().to_string(), name);
        assert_eq!(failure.to_string(), format!("{code}: x"));
        assert!(failure.source().is_none());
    }
    let failure = Failure::from(secret());
    assert_eq!(failure.to_string(), "500: internal error");
    assert_eq!(failure.source().map(ToString::to_string).as_deref(), Some("the password is 1234"));
}

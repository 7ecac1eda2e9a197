//! The health protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tonic::{Request, Response, Status};

use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse, health_server};

/// The health of the server, which tests change.
#[derive(Clone, Debug)]
pub struct Health {
    status: Arc<AtomicI32>,
}

impl Default for Health {
    fn default() -> Self {
        Self { status: Arc::new(AtomicI32::new(ServingStatus::Serving.into())) }
    }
}

impl Health {
    /// Sets whether the server says that it serves.
    pub fn set_serving(&self, is_serving: bool) {
        let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.status.store(status.into(), Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: self.status.load(Ordering::SeqCst) }))
    }
}

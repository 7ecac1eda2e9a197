use std::time::SystemTime;

use super::codec::{Answer, Question};
use crate::core::{NodeId, UserId};
use crate::error::Result;
use crate::hub::{Hub, Shared};
use crate::token::Revocation;

impl<S: Send + Sync + 'static> Hub<S> {
    /// Refuses the token with this claim `jti` on all nodes until a time, by which the token has
    /// expired: enters it in the list of [`Builder::revocations`](crate::Builder::revocations) of
    /// each node. A node that joins the hub later does not have it.
    ///
    /// Returns the nodes that have not confirmed it within two seconds, or cannot: their list is
    /// full, or they have none. Empty if all nodes have it.
    ///
    /// # Errors
    /// [`HubError::Bus`](crate::HubError::Bus) if the other nodes could not be asked. This node has
    /// entered it.
    pub async fn revoke_token(&self, id: &str, until: SystemTime) -> Result<Vec<NodeId>> {
        self.revoke(Revocation::Token { id: id.into(), until }).await
    }

    /// Refuses the tokens of a user that were issued before a time on all nodes, like
    /// [`revoke_token`](Self::revoke_token): see
    /// [`Revocations::revoke_user`](crate::token::Revocations::revoke_user).
    ///
    /// # Errors
    /// Same as [`revoke_token`](Self::revoke_token).
    pub async fn revoke_user(
        &self,
        user: &UserId,
        issued_before: SystemTime,
        until: SystemTime,
    ) -> Result<Vec<NodeId>> {
        self.revoke(Revocation::User { user: user.clone(), issued_before, until }).await
    }

    pub(crate) async fn revoke(&self, revocation: Revocation) -> Result<Vec<NodeId>> {
        let survey = self.shared.survey(&Question::Revoke(revocation)).await?;
        let failed = survey
            .answers
            .into_iter()
            .filter_map(|(node, _, answer)| (answer != Answer::Revoked(true)).then_some(node));
        Ok(failed.chain(survey.silent).collect())
    }

    /// Returns whether this node has a list of revocations.
    pub(crate) fn has_revocations(&self) -> bool {
        self.shared.config.revocations.is_some()
    }
}

impl<S> Shared<S> {
    /// Enters a revocation on this node. Returns whether it was entered.
    pub(super) fn enter_revocation(&self, revocation: &Revocation) -> bool {
        let revocations = self.config.revocations.as_ref();
        revocations.is_some_and(|list| list.enter(revocation, SystemTime::now()).is_ok())
    }
}

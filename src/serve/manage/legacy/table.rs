//! The routes of the system that hatchery replaces, each with what it is.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::access::Scope;
use crate::serve::manage::openapi::{Described, Group, Operation};

/// The routes.
pub fn routes(manage: &Arc<Manage>) -> Described {
    let mut all = Described::new(manage);
    look(&mut all);
    act(&mut all);
    all
}

fn look(all: &mut Described) {
    all.shape(
        "OriginalBatch",
        "A batch in the old shape.",
        "id: integer, venue_code: text, product_type: text, total_count: integer, remaining_count: integer, \
         priority: integer, status: text, created_at: text, started_at: text?, completed_at: text?",
    );
    all.shape(
        "OriginalVenue",
        "A venue in the old shape.",
        "code: text, name: text, location: text?, contact_email: text?, created_at?: text?, kxp2_assigned?: integer, \
         kxp2_available?: integer, rxp2_assigned?: integer, rxp2_available?: integer",
    );
    let get = |path, summary| Operation::get(path, Group::Original, summary);
    all.add(
        get("/api/stats", "Counts of names, venues and deployments").fields(
            200,
            "total_venues: integer, total_hostnames: integer, available_hostnames: integer, assigned_hostnames: integer, \
             recent_deployments: object[], recent_deployments_count: integer, successful_deployments: integer, \
             timestamp: time",
        ),
        stats,
    );
    all.add(get("/api/venues", "Every venue").reply(200, "OriginalVenue[]"), venues);
    all.add(
        get("/api/venues/{code}/stats", "Counts of a venue's names").fields(
            200,
            "venue_code: text, total_hostnames: integer, available_hostnames: integer, assigned_hostnames: integer, \
             retired_hostnames: integer",
        ),
        venue_stats,
    );
    all.add(
        get("/api/deployments", "The latest deployments")
            .parameter("limit", "integer", "At most so many; 20 unless said, never more than 100.")
            .reply(200, "object[]"),
        deployments,
    );
    all.add(
        get("/api/system/status", "Disk, network, services")
            .fields(200, "disk: object?, network: object, services: object, timestamp: time"),
        system,
    );
    all.add(
        get("/api/batches", "Every batch")
            .parameter("venue", "text", "Only batches for this venue.")
            .parameter("status", "text", "Only batches with this status.")
            .reply(200, "OriginalBatch[]"),
        batches,
    );
    all.add(
        get("/api/batches/active", "The batch that names the next machine")
            .reply(200, "OriginalBatch")
            .reply(404, "Message"),
        active,
    );
    all.add(get("/api/batches/{id}", "A batch").reply(200, "OriginalBatch"), one_batch);
}

fn act(all: &mut Described) {
    let post = |path, summary| Operation::post(path, Group::Original, summary).operator();
    all.add(
        post("/api/venues", "Adds a venue")
            .scope(Scope::Names)
            .body::<Venue>(json!({ "code": "ARLT", "name": "Arlington" }))
            .reply(201, "OriginalVenue"),
        add_venue,
    );
    all.add(
        post("/api/kart-numbers", "Adds numbers of karts")
            .scope(Scope::Names)
            .body::<Numbers>(json!({ "venue_code": "ARLT", "numbers": [1, 2, 3] }))
            .fields(200, "added: integer, message: text, success: boolean"),
        add_numbers,
    );
    all.add(
        post("/api/batches", "Orders units")
            .scope(Scope::Batches)
            .body::<Order>(json!({ "venue_code": "ARLT", "product_type": "KXP2", "total_count": 20 }))
            .reply(201, "OriginalBatch"),
        order,
    );
    let change = |path, summary| post(path, summary).scope(Scope::Batches).reply(200, "OriginalBatch");
    all.add(change("/api/batches/{id}/start", "Lets it give names"), start);
    all.add(change("/api/batches/{id}/pause", "Holds it back"), pause);
    all.add(
        Operation::put("/api/batches/{id}/priority", Group::Original, "Lets it go before or after others")
            .operator()
            .scope(Scope::Batches)
            .body::<Priority>(json!({ "priority": 10 }))
            .reply(200, "OriginalBatch"),
        priority,
    );
}

// The description of a failed call.

// Returns gRPC's code and the server's message, or the message alone for other errors.
export function describeFailure(problem) {
  const named = problem.name && problem.name !== "Error";
  return named ? `${problem.name}: ${problem.message}` : String(problem.message ?? problem);
}

export function wasCancelled(problem) {
  return problem.name === "Cancelled";
}

// What a call says that failed.

// gRPC's code and the server's words; of other errors, their words alone.
export function describeFailure(problem) {
  const named = problem.name && problem.name !== "Error";
  return named ? `${problem.name}: ${problem.message}` : String(problem.message ?? problem);
}

export function wasCancelled(problem) {
  return problem.name === "Cancelled";
}

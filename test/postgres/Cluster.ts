/** A cluster that notices the end of a runner within a second or two. */
export const quick = {
  shardsPerGroup: 8,
  shardLockRefreshInterval: "200 millis",
  shardLockExpiration: "1 second",
  refreshAssignmentsInterval: "200 millis",
  runnerHealthCheckInterval: "200 millis",
  entityReplyPollInterval: "50 millis"
} as const

// One rule an entry of alerts.json, but those that expect traffic only where there is some; ops are mailed by each, and
// the incident function is told.
import * as types from '../types.bicep'

param location string
param token string
param tags types.tags
param workspaceId string
param contact types.contact
param monitoring types.monitoring

var alerts = filter(loadJsonContent('../alerts.json'), alert => monitoring.expectTraffic || !alert.expectTraffic)

// The path of a file to load must be written out.
var queries = {
  'queries/bad_prediction_burst.kql': loadTextContent('../queries/bad_prediction_burst.kql')
  'queries/daily_cap.kql': loadTextContent('../queries/daily_cap.kql')
  'queries/error_rate.kql': loadTextContent('../queries/error_rate.kql')
  'queries/latency.kql': loadTextContent('../queries/latency.kql')
  'queries/no_heartbeat.kql': loadTextContent('../queries/no_heartbeat.kql')
  'queries/probability_drift.kql': loadTextContent('../queries/probability_drift.kql')
  'queries/unknown_words_drift.kql': loadTextContent('../queries/unknown_words_drift.kql')
  'queries/feedback_disagreement.kql': loadTextContent('../queries/feedback_disagreement.kql')
}

resource ops 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-ops-${token}'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'ops'
    enabled: true
    emailReceivers: [
      {
        name: 'ops'
        emailAddress: contact.email
        useCommonAlertSchema: true
      }
    ]
    smsReceivers: empty(contact.phone)
      ? []
      : [{ name: 'ops', countryCode: contact.phoneCountry, phoneNumber: contact.phone }]
  }
}

// Empty until the first package runs; then incidents.bicep fills it in, and this leaves it alone.
@onlyIfNotExists()
resource incidents 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-incidents-${token}'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'incidents'
    enabled: true
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in alerts: {
    name: alert.name // the incident function knows the rule by it
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.name
      description: '${alert.title}. ${alert.description} What to do: ${alert.runbook}'
      severity: alert.severity
      enabled: true
      scopes: [
        workspaceId
      ]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      skipQueryValidation: true // a new workspace has no tables yet; the tests have checked the query
      criteria: {
        allOf: [
          {
            query: queries[alert.query]
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: alert.autoMitigate
      actions: {
        actionGroups: [
          ops.id
          incidents.id
        ]
      }
    }
  }
]

output opsGroupId string = ops.id
output incidentsGroup string = incidents.name

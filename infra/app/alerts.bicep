// A rule for each entry of alerts.json, without those that expect traffic if there is none. Each mails ops and calls
// the incident function.
import * as types from '../types.bicep'

param location string
param token string
param tags types.tags
param workspaceId string
param contact types.contact
param monitoring types.monitoring

var alerts = filter(loadJsonContent('../alerts.json'), alert => monitoring.expectTraffic || !alert.expectTraffic)

// loadTextContent accepts only literal paths.
var queries = {
  'queries/bad_prediction_burst.kql': loadTextContent('../queries/bad_prediction_burst.kql')
  'queries/daily_cap.kql': loadTextContent('../queries/daily_cap.kql')
  'queries/error_rate.kql': loadTextContent('../queries/error_rate.kql')
  'queries/latency.kql': loadTextContent('../queries/latency.kql')
  'queries/no_heartbeat.kql': loadTextContent('../queries/no_heartbeat.kql')
  'queries/no_purge.kql': loadTextContent('../queries/no_purge.kql')
  'queries/purge_behind.kql': loadTextContent('../queries/purge_behind.kql')
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

// Empty until the first package runs. Then incidents.bicep adds the receiver, and this template no longer changes it.
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
    name: alert.name // the incident function looks the rule up by it
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
      skipQueryValidation: true // a new workspace has no tables yet; the tests check the query
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

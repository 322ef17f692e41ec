// Checks from outside that the app is ready, and alerts ops if it is not. The other rules cannot detect an app that
// never starts, because it logs nothing. It does not call the incident function, which would not respond either.
import * as types from '../types.bicep'

param location string

@minLength(13)
param token string

param tags types.tags

@description('URL of the app, without a trailing slash.')
param appUrl string

param insightsId string
param opsGroupId string

var test = loadJsonContent('../availability.json')

@description('Converts an ISO 8601 duration to seconds.')
func seconds(duration string) int => dateTimeToEpoch(dateTimeAdd('1970-01-01T00:00:00Z', duration))

resource webtest 'Microsoft.Insights/webtests@2022-06-15' = {
  name: '${test.name}-${token}'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' }) // Application Insights finds its tests by this tag
  kind: 'standard'
  properties: {
    SyntheticMonitorId: '${test.name}-${token}'
    Name: test.name
    Description: test.description
    Kind: 'standard'
    Enabled: true
    Frequency: seconds(test.frequency)
    Timeout: seconds(test.timeout)
    RetryEnabled: true
    Locations: map(test.locations, id => { Id: id })
    Request: {
      RequestUrl: '${appUrl}${test.path}'
      HttpVerb: 'GET'
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: test.name
  location: 'Global'
  tags: tags
  properties: {
    description: '${test.title}. ${test.description} What to do: ${test.runbook}'
    severity: test.severity
    enabled: true
    scopes: [
      webtest.id
      insightsId
    ]
    evaluationFrequency: test.evaluationFrequency
    windowSize: test.window
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: webtest.id
      componentId: insightsId
      failedLocationCount: test.failedLocations
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: opsGroupId
      }
    ]
  }
}

// What the action group calls. A webhook, which is called at just this address: a function receiver is documented with a
// key of the host, and a host key opens every function. The app checks this one itself.
import * as types from '../types.bicep'

param actionGroup string
param tags types.tags
param host string

@secure()
param key string

resource incidents 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroup
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'incidents'
    enabled: true
    webhookReceivers: [
      {
        name: 'incident'
        serviceUri: 'https://${host}/api/incidents?key=${uriComponent(key)}'
        useCommonAlertSchema: true
      }
    ]
  }
}

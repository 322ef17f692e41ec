// A storage account as all of ours are: opened by roles alone, never by its keys, and to nobody unnamed. Who makes one
// names it again as an `existing` one: what-if does not look into what has a name that only a deployment knows.
import * as types from '../types.bicep'

param name string
param location string
param tags types.tags
param options types.options

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: options.zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: options.privateNetwork ? 'Disabled' : 'Enabled'
    supportsHttpsTrafficOnly: true
  }
}

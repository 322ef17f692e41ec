// A storage account that only roles can open: no keys, no anonymous access. Its callers refer to it as an `existing`
// resource by name, because what-if does not expand a module with names that are only known during a deployment.
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

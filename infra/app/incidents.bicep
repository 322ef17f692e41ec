// Lets alerts call the incident function. Deployed separately after the package, because the function does not exist
// before.
param functionApp string
param actionGroup string
param keyVault string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' existing = {
  name: actionGroup
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVault
}

// Resource Manager reads the key from the vault, so the person who deploys needs no role on secrets and never sees it.
module receiver 'receiver.bicep' = {
  params: {
    actionGroup: actionGroup
    tags: group.tags
    host: site.properties.defaultHostName
    key: vault.getSecret('incident-key')
  }
}

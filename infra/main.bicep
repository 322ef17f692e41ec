// Deployed by azd: a resource group with everything in it. The workflow deploys only resources.bicep, into an existing
// group, because its identity has no roles outside that group.
targetScope = 'subscription'

import * as types from 'types.bicep'

@minLength(1)
@maxLength(40)
@description('Part of the name of the resource group. azd calls it the environment.')
param environmentName string

@minLength(1)
@description('Region of all resources. It must offer Flex Consumption.')
param location string

param contact types.contact
param api types.api
param scale types.scale
param monitoring types.monitoring
param mail types.mail
param options types.options

@minValue(0)
@description('Per month, in the currency of the subscription. 0 creates no budget.')
param monthlyBudget int

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: types.tagsOf(environmentName, options)
}

module resources 'resources.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    location: location
    contact: contact
    api: api
    scale: scale
    monitoring: monitoring
    mail: mail
    options: options
    monthlyBudget: monthlyBudget
  }
}

output AZURE_LOCATION string = resources.outputs.AZURE_LOCATION
output AZURE_RESOURCE_GROUP string = resources.outputs.AZURE_RESOURCE_GROUP
output AZURE_FUNCTION_NAME string = resources.outputs.AZURE_FUNCTION_NAME
output AZURE_FUNCTION_URL string = resources.outputs.AZURE_FUNCTION_URL
output AZURE_STORAGE_ACCOUNT string = resources.outputs.AZURE_STORAGE_ACCOUNT
output AZURE_PACKAGE_ACCOUNT string = resources.outputs.AZURE_PACKAGE_ACCOUNT
output AZURE_KEY_VAULT string = resources.outputs.AZURE_KEY_VAULT
output AZURE_INCIDENTS_GROUP string = resources.outputs.AZURE_INCIDENTS_GROUP

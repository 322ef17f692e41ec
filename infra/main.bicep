// What azd deploys: a resource group, and everything else in it. The workflow deploys resources.bicep into a group that
// is there, with an identity that may do nothing outside it.
targetScope = 'subscription'

import * as types from 'types.bicep'

@minLength(1)
@maxLength(40)
@description('Names the resource group; azd calls it the environment.')
param environmentName string

@minLength(1)
@description('Region of everything; it must offer Flex Consumption.')
param location string

param contact types.contact
param api types.api
param scale types.scale
param monitoring types.monitoring
param mail types.mail
param options types.options

@minValue(0)
@description('A month, in the currency of the subscription; 0 makes no budget.')
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

using 'resources.bicep'

import { defaults } from 'types.bicep'

param environmentName = 'buzzguard-dev'
param location = readEnvironmentVariable('AZURE_LOCATION')
param contact = {
  ...defaults.contact
  email: readEnvironmentVariable('OPS_EMAIL')
}
param api = {
  ...defaults.api
  corsOrigins: ['http://localhost:3000']
}
param scale = defaults.scale
param monitoring = defaults.monitoring
param mail = defaults.mail
param options = defaults.options
param monthlyBudget = 20

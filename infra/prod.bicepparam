using 'resources.bicep'

import { defaults } from 'types.bicep'

param environmentName = 'buzzguard-prod'
param location = readEnvironmentVariable('AZURE_LOCATION')
param contact = {
  ...defaults.contact
  email: readEnvironmentVariable('OPS_EMAIL')
}
param api = defaults.api
param scale = defaults.scale
param monitoring = {
  ...defaults.monitoring
  dailyLogGb: 2
  availabilityTest: true
}
param mail = defaults.mail
param options = defaults.options
param monthlyBudget = 100

// For azd, which asks for subscription and region, and passes its environment (azd env set NAME VALUE) as variables.
using 'main.bicep'

import { defaults } from 'types.bicep'

var corsOrigins = readEnvironmentVariable('CORS_ORIGINS', '')
var authLevel = readEnvironmentVariable('AUTH_LEVEL', '')
var signInClientId = readEnvironmentVariable('SIGN_IN_CLIENT_ID', '')
var smtpHost = readEnvironmentVariable('SMTP_HOST', defaults.mail.host)
var smtpPort = int(readEnvironmentVariable('SMTP_PORT', '${defaults.mail.port}'))
var smtpSecurity = readEnvironmentVariable('SMTP_SECURITY', defaults.mail.security)
var smtpUser = readEnvironmentVariable('SMTP_USER', defaults.mail.user)
var mailFrom = readEnvironmentVariable('MAIL_FROM', defaults.mail.from)
var opsEmail = readEnvironmentVariable('OPS_EMAIL')
var accessKinds = { '': defaults.api.access.kind, function: 'functionKey', anonymous: 'anonymous' }
var mailSecurities = { starttls: 'starttls', tls: 'tls', none: 'none' }
var memorySizes = { '512': 512, '2048': 2048, '4096': 4096 }

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param contact = {
  email: contains(opsEmail, '@') ? opsEmail : fail('OPS_EMAIL must be an e-mail address, not \'${opsEmail}\'')
  phone: readEnvironmentVariable('OPS_PHONE', defaults.contact.phone)
  phoneCountry: readEnvironmentVariable('OPS_PHONE_COUNTRY', defaults.contact.phoneCountry)
}
param api = {
  ...defaults.api
  access: empty(signInClientId)
    ? { kind: accessKinds[authLevel] }
    : empty(authLevel)
        ? { kind: 'signIn', clientId: signInClientId }
        : fail('SIGN_IN_CLIENT_ID says who may call: AUTH_LEVEL must not be set, and is \'${authLevel}\'')
  corsOrigins: empty(corsOrigins) ? [] : map(split(corsOrigins, ','), origin => trim(origin))
  model: readEnvironmentVariable('MODEL', defaults.api.model)
}
param scale = {
  ...defaults.scale
  instanceMemoryMB: memorySizes[readEnvironmentVariable('INSTANCE_MEMORY_MB', '${defaults.scale.instanceMemoryMB}')]
  alwaysReadyInstances: int(readEnvironmentVariable('ALWAYS_READY_INSTANCES', '${defaults.scale.alwaysReadyInstances}'))
}
param monitoring = {
  ...defaults.monitoring
  expectTraffic: bool(readEnvironmentVariable('EXPECT_TRAFFIC', '${defaults.monitoring.expectTraffic}'))
  availabilityTest: bool(readEnvironmentVariable('AVAILABILITY_TEST', '${defaults.monitoring.availabilityTest}'))
}
param mail = {
  host: smtpHost
  port: smtpPort
  security: smtpPort == 465 && smtpSecurity == 'starttls'
    ? fail('SMTP_SECURITY must be tls where SMTP_PORT is 465')
    : mailSecurities[smtpSecurity]
  user: empty(smtpUser) || smtpSecurity != 'none'
    ? smtpUser
    : fail('SMTP_SECURITY must not be none where SMTP_USER is set')
  from: empty(smtpHost) || contains(mailFrom, '@')
    ? mailFrom
    : fail('MAIL_FROM must be an e-mail address where SMTP_HOST is set, not \'${mailFrom}\'')
}
param options = {
  privateNetwork: bool(readEnvironmentVariable('PRIVATE_NETWORK', '${defaults.options.privateNetwork}'))
  auditLogs: bool(readEnvironmentVariable('AUDIT_LOGS', '${defaults.options.auditLogs}'))
  zoneRedundant: bool(readEnvironmentVariable('ZONE_REDUNDANT', '${defaults.options.zoneRedundant}'))
  feedbackExport: bool(readEnvironmentVariable('FEEDBACK_EXPORT', '${defaults.options.feedbackExport}'))
  customDomain: readEnvironmentVariable('CUSTOM_DOMAIN', defaults.options.customDomain)
  costCentre: readEnvironmentVariable('COST_CENTRE', defaults.options.costCentre)
  owner: readEnvironmentVariable('OWNER', defaults.options.owner)
}
param monthlyBudget = int(readEnvironmentVariable('MONTHLY_BUDGET', '50'))
